//! Tokens to a [`Module`].

use super::LoadError;
use super::lexer::{Token, TokenKind, tokenize};
use super::syntax::{Function, Instruction, Module, Operand, Statement, Storage, Variable};
use super::types::Type;

/// Parses a PTX text.
///
/// # Errors
/// The first line that is not PTX as this interpreter knows it.
pub fn parse(source: &str) -> Result<Module, LoadError> {
    let mut parser = Parser { tokens: tokenize(source)?, position: 0 };
    let mut module = Module::default();
    while parser.position < parser.tokens.len() {
        parser.declaration(&mut module)?;
    }
    if module.version == (0, 0) || module.target == 0 {
        return Err(LoadError::invalid(0, "the text needs .version and .target"));
    }
    Ok(module)
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn line(&self) -> u32 {
        self.tokens.get(self.position).or(self.tokens.last()).map_or(0, |token| token.line)
    }

    fn error(&self, message: impl Into<String>) -> LoadError {
        LoadError::invalid(self.line(), message)
    }

    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.position).map(|token| &token.kind)
    }

    fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Some(TokenKind::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn at(&self, mark: char) -> bool {
        self.peek().is_some_and(|kind| kind.is(mark))
    }

    fn skip(&mut self, mark: char) -> bool {
        let found = self.at(mark);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), LoadError> {
        if self.skip(mark) { Ok(()) } else { Err(self.error(format!("expected {mark:?}, found {:?}", self.peek()))) }
    }

    fn word(&mut self) -> Result<String, LoadError> {
        let word = self.peek_word().map(str::to_owned);
        self.position += 1;
        word.ok_or_else(|| {
            self.position -= 1;
            self.error(format!("expected a word, found {:?}", self.peek()))
        })
    }

    fn count(&mut self) -> Result<usize, LoadError> {
        let word = self.word()?;
        word.parse().map_err(|_| self.error(format!("expected a count, found {word}")))
    }

    fn skip_line(&mut self) {
        let line = self.line();
        while self.position < self.tokens.len() && self.tokens[self.position].line == line {
            self.position += 1;
        }
    }

    /// One item outside every function.
    fn declaration(&mut self, module: &mut Module) -> Result<(), LoadError> {
        match self.peek_word().ok_or_else(|| self.error("expected a declaration"))? {
            ".version" => {
                module.version_line = self.line();
                self.position += 1;
                let word = self.word()?;
                let parts = word.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                module.version = parts.ok_or_else(|| self.error(format!("not a version: {word}")))?;
            }
            ".target" => {
                module.target_line = self.line();
                self.position += 1;
                let word = self.word()?;
                let digits = word.trim_start_matches("sm_").trim_start_matches("compute_").trim_end_matches(['a', 'f']);
                module.target = digits.parse().map_err(|_| self.error(format!("not a target: {word}")))?;
                while self.skip(',') {
                    self.word()?;
                }
            }
            ".address_size" => {
                self.position += 1;
                if self.count()? != 64 {
                    return Err(self.error("only 64-bit addresses are known"));
                }
            }
            ".file" | ".loc" => self.skip_line(),
            ".section" => {
                while self.position < self.tokens.len() && !self.skip('}') {
                    self.position += 1;
                }
            }
            _ => self.linked_declaration(module)?,
        }
        Ok(())
    }

    /// A variable or function with its linking directives.
    fn linked_declaration(&mut self, module: &mut Module) -> Result<(), LoadError> {
        let mut external = false;
        loop {
            match self.peek_word() {
                Some(".extern") => external = true,
                Some(".visible" | ".weak" | ".common") => {}
                Some(".entry" | ".func") => {
                    module.functions.extend(self.function()?);
                    return Ok(());
                }
                Some(word) if storage(word).is_some() => {
                    module.variables.push(self.variable(external)?);
                    return self.expect(';');
                }
                other => return Err(self.error(format!("unknown directive {}", other.unwrap_or("")))),
            }
            self.position += 1;
        }
    }

    /// `.shared .align 4 .b8 name[1024] = {...}`, up to but without `;`, `,` or `)`.
    fn variable(&mut self, external: bool) -> Result<Variable, LoadError> {
        let line = self.line();
        let word = self.word()?;
        let storage = storage(&word).ok_or_else(|| self.error(format!("expected a state space, found {word}")))?;
        let (mut align, mut kind, mut lanes) = (None, None, 1);
        let name = loop {
            let word = self.word()?;
            match word.as_str() {
                ".align" => align = Some(self.count()?),
                ".ptr" => {
                    while self.peek_word().is_some_and(|word| word.starts_with('.')) {
                        if self.word()? == ".align" {
                            self.count()?;
                        }
                    }
                }
                ".v2" => lanes = 2,
                ".v4" => lanes = 4,
                _ => match word.strip_prefix('.') {
                    Some(name) => {
                        kind = Some(Type::parse(name).ok_or_else(|| self.error(format!("unknown type {word}")))?);
                    }
                    None => break word,
                },
            }
        };
        let kind = kind.ok_or_else(|| self.error(format!("{name} has no type")))?;
        let mut elements = lanes;
        while self.skip('[') {
            elements *= if self.at(']') { 0 } else { self.count()? };
            self.expect(']')?;
        }
        let mut initial = Vec::new();
        if self.skip('=') {
            self.initializer(kind, &mut initial)?;
        }
        let bytes = (elements * kind.bytes()).max(initial.len());
        let align = align.unwrap_or(kind.bytes() * lanes);
        if !align.is_power_of_two() {
            return Err(self.error(format!("alignment {align} is not a power of two")));
        }
        Ok(Variable { storage, name, bytes, align, initial, external, line })
    }

    fn initializer(&mut self, kind: Type, bytes: &mut Vec<u8>) -> Result<(), LoadError> {
        if self.skip('{') {
            while !self.skip('}') {
                self.initializer(kind, bytes)?;
                self.skip(',');
            }
            return Ok(());
        }
        let bits = match (self.operand()?, kind) {
            (Operand::Integer(value), Type::F32) => (value as i64 as f32).to_bits() as u64,
            (Operand::Integer(value), Type::F64) => (value as i64 as f64).to_bits(),
            (Operand::Integer(value), _) => value,
            (Operand::Float(value), _) => value.to_bits() as u64,
            (Operand::Double(value), Type::F32) => (value as f32).to_bits() as u64,
            (Operand::Double(value), _) => value.to_bits(),
            (other, _) => return Err(self.error(format!("unknown initial value {other:?}"))),
        };
        bytes.extend_from_slice(&bits.to_le_bytes()[..kind.bytes()]);
        Ok(())
    }

    fn parameter_list(&mut self) -> Result<Vec<Variable>, LoadError> {
        let mut list = Vec::new();
        if self.skip('(') {
            while !self.skip(')') {
                list.push(self.variable(false)?);
                self.skip(',');
            }
        }
        Ok(list)
    }

    /// A kernel or device function; nothing for a declaration without a body.
    fn function(&mut self) -> Result<Option<Function>, LoadError> {
        let is_kernel = self.word()? == ".entry";
        let returns = if is_kernel { Vec::new() } else { self.parameter_list()? };
        let name = self.word()?;
        let parameters = self.parameter_list()?;
        let mut max_threads = None;
        while let Some(word) = self.peek_word().map(str::to_owned) {
            self.position += 1;
            let mut numbers = Vec::new();
            while self.peek_word().is_some_and(|word| word.parse::<usize>().is_ok()) {
                numbers.push(self.count()? as u32);
                self.skip(',');
            }
            match word.as_str() {
                ".maxntid" | ".reqntid" => max_threads = Some(numbers.iter().product()),
                ".minnctapersm" | ".maxnreg" | ".noreturn" => {}
                _ => return Err(self.error(format!("unknown function directive {word}"))),
            }
        }
        if self.skip(';') {
            return Ok(None);
        }
        self.expect('{')?;
        let body = self.body()?;
        Ok(Some(Function { name, is_kernel, returns, parameters, max_threads, body }))
    }

    /// The statements after `{`, through the matching `}`.
    fn body(&mut self) -> Result<Vec<Statement>, LoadError> {
        let mut body = Vec::new();
        let mut depth = 0;
        loop {
            if self.skip('{') {
                depth += 1;
                body.push(Statement::OpenScope);
                continue;
            }
            if self.skip('}') {
                if depth == 0 {
                    return Ok(body);
                }
                depth -= 1;
                body.push(Statement::CloseScope);
                continue;
            }
            if self.skip(';') {
                continue;
            }
            match self.peek_word() {
                Some(".loc" | ".file") => self.skip_line(),
                Some(".pragma") => self.position += 2,
                Some(".reg") => body.push(self.registers()?),
                Some(word) if storage(word).is_some() => {
                    let variable = self.variable(false)?;
                    body.push(Statement::Variable(variable));
                }
                Some(word) if word.starts_with('.') => return Err(self.error(format!("unknown directive {word}"))),
                Some(_) if self.tokens.get(self.position + 1).is_some_and(|next| next.kind.is(':')) => {
                    body.push(Statement::Label(self.word()?));
                    self.position += 1;
                }
                _ => body.push(Statement::Instruction(self.instruction()?)),
            }
        }
    }

    fn registers(&mut self) -> Result<Statement, LoadError> {
        self.position += 1;
        let word = self.word()?;
        let kind = word.strip_prefix('.').and_then(Type::parse);
        let kind = kind.ok_or_else(|| self.error(format!("unknown register type {word}")))?;
        let mut names = Vec::new();
        loop {
            let name = self.word()?;
            if self.skip('<') {
                let count = self.count()?;
                self.expect('>')?;
                names.extend((0..count).map(|index| format!("{name}{index}")));
            } else {
                names.push(name);
            }
            if !self.skip(',') {
                return self.expect(';').map(|()| Statement::Registers(kind, names));
            }
        }
    }

    fn instruction(&mut self) -> Result<Instruction, LoadError> {
        let line = self.line();
        let mut guard = None;
        if self.skip('@') {
            let negated = self.skip('!');
            guard = Some((self.word()?, negated));
        }
        let word = self.word()?;
        let mut parts = word.split('.').map(str::to_owned);
        let opcode = parts.next().unwrap_or_default();
        let mut operands = Vec::new();
        while !self.skip(';') {
            if self.position >= self.tokens.len() {
                return Err(LoadError::invalid(line, format!("{word} has no end")));
            }
            operands.push(self.operand()?);
            if !self.skip(',') && !self.at(';') {
                return Err(self.error(format!("expected ',' or ';' in {word}, found {:?}", self.peek())));
            }
        }
        Ok(Instruction { guard, opcode, modifiers: parts.collect(), operands, line })
    }

    fn operands_until(&mut self, end: char) -> Result<Vec<Operand>, LoadError> {
        let mut list = Vec::new();
        while !self.skip(end) {
            list.push(self.operand()?);
            if !self.skip(',') && !self.at(end) {
                return Err(self.error(format!("expected ',' or {end:?}, found {:?}", self.peek())));
            }
        }
        Ok(list)
    }

    fn operand(&mut self) -> Result<Operand, LoadError> {
        if self.skip('{') {
            return self.operands_until('}').map(Operand::Vector);
        }
        if self.skip('(') {
            return self.operands_until(')').map(Operand::List);
        }
        if self.skip('!') {
            return self.word().map(Operand::Not);
        }
        if self.skip('[') {
            let base = self.operand()?;
            let mut offset = 0i64;
            if self.skip('+') || self.at('-') {
                match self.operand()? {
                    Operand::Integer(value) => offset = value as i64,
                    other => return Err(self.error(format!("unknown address offset {other:?}"))),
                }
            }
            self.expect(']')?;
            return Ok(Operand::Address(Box::new(base), offset));
        }
        let negative = self.skip('-');
        let word = self.word()?;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return number(&word, negative).ok_or_else(|| self.error(format!("not a number: {word}")));
        }
        if negative {
            return Err(self.error(format!("cannot negate {word}")));
        }
        if self.skip('|') {
            return Ok(Operand::Pair(word, self.word()?));
        }
        Ok(Operand::Name(word))
    }
}

fn storage(word: &str) -> Option<Storage> {
    Some(match word {
        ".global" => Storage::Global,
        ".const" => Storage::Constant,
        ".shared" => Storage::Shared,
        ".local" => Storage::Local,
        ".param" => Storage::Parameter,
        _ => return None,
    })
}

fn number(word: &str, negative: bool) -> Option<Operand> {
    let (prefix, digits) = word.split_at(word.len().min(2));
    let operand = match prefix {
        "0f" | "0F" => Operand::Float(f32::from_bits(u32::from_str_radix(digits, 16).ok()?)),
        "0d" | "0D" => Operand::Double(f64::from_bits(u64::from_str_radix(digits, 16).ok()?)),
        _ if word.contains('.') => Operand::Double(word.parse().ok()?),
        "0x" | "0X" => Operand::Integer(u64::from_str_radix(digits.trim_end_matches('U'), 16).ok()?),
        _ => Operand::Integer(word.trim_end_matches('U').parse().ok()?),
    };
    Some(match operand {
        Operand::Integer(value) if negative => Operand::Integer(value.wrapping_neg()),
        Operand::Float(value) if negative => Operand::Float(-value),
        Operand::Double(value) if negative => Operand::Double(-value),
        other => other,
    })
}
