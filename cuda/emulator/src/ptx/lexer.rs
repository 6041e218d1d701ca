//! Text to tokens. Opcodes keep their dots (`ld.global.f32` is one word), and registers their `%`.

use super::LoadError;

/// One token and the line it starts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token itself.
    pub kind: TokenKind,
    /// Line number, counted from 1.
    pub line: u32,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A name, directive, opcode or number.
    Word(String),
    /// A single punctuation character.
    Mark(char),
    /// A quoted string, without the quotes.
    Text(String),
}

impl TokenKind {
    /// Whether this is the punctuation character `mark`.
    pub fn is(&self, mark: char) -> bool {
        matches!(self, Self::Mark(found) if *found == mark)
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%' | '.')
}

/// Splits `source` into tokens, dropping blanks and both kinds of comment.
///
/// # Errors
/// A character that PTX does not use, an unfinished string or an unfinished comment.
pub fn tokenize(source: &str) -> Result<Vec<Token>, LoadError> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.find("*/").ok_or_else(|| LoadError::invalid(line, "unfinished comment"))? + 4
        } else if first.is_whitespace() {
            first.len_utf8()
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(Token { kind: TokenKind::Word(rest[..end].to_owned()), line });
            end
        } else if first == '"' {
            let end = rest[1..].find('"').ok_or_else(|| LoadError::invalid(line, "unfinished string"))?;
            tokens.push(Token { kind: TokenKind::Text(rest[1..1 + end].to_owned()), line });
            end + 2
        } else if ",;{}[]()<>:@!+-=|".contains(first) {
            tokens.push(Token { kind: TokenKind::Mark(first), line });
            1
        } else {
            return Err(LoadError::invalid(line, format!("unexpected character {first:?}")));
        };
        line += rest[..length].matches('\n').count() as u32;
        rest = &rest[length..];
    }
    Ok(tokens)
}
