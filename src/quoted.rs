//! What an error message quotes from outside: cut to a bound, with whatever a terminal might obey escaped.

use std::fmt::{Display, Write};
use std::path::Path;

/// Bytes of a path, of a text and of a list that are shown, at most. An error's message, which has one path and no more
/// than three of the others, stays below 4 kB.
const PATH: usize = 800;
const TEXT: usize = 500;
const LIST: usize = 1000;

/// Numbers of a list that are shown, at most.
const NUMBERS: usize = 24;

/// A text: control characters, line ends, and marks that reorder or hide what follows are escaped.
pub(crate) fn shown(text: &str) -> String {
    let shown = escaped(text.chars(), TEXT);
    if text.len() <= TEXT && shown.1 { shown.0 } else { format!("{}... ({} bytes in all)", shown.0, text.len()) }
}

/// A path; of a very long one the first and the last part.
pub(crate) fn shown_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    let (all, whole) = escaped(text.chars(), PATH);
    if whole {
        return all;
    }
    let (first, _) = escaped(text.chars(), PATH / 2);
    // Backwards, so that what is kept is the end; each character is escaped whole.
    let mut last: Vec<String> = Vec::new();
    let mut length = 0;
    for c in text.chars().rev() {
        let (one, _) = escaped([c].into_iter(), PATH);
        length += one.len();
        if length > PATH / 2 {
            break;
        }
        last.push(one);
    }
    last.reverse();
    format!("{first}...{}", last.concat())
}

/// The items of a list between separators, as many as there is room for.
pub(crate) fn shown_list<T: Display>(items: &[T], separator: &str) -> String {
    let mut out = String::new();
    for (i, item) in items.iter().enumerate() {
        let item = shown(&item.to_string());
        if i > 0 && out.len() + separator.len() + item.len() > LIST {
            let _ = write!(out, "{separator}... ({} in all)", items.len());
            break;
        }
        if i > 0 {
            out.push_str(separator);
        }
        out.push_str(&item);
    }
    out
}

/// Numbers as `[2, 3, 4]`, the first ones of many.
pub(crate) fn shown_numbers(numbers: &[usize]) -> String {
    match numbers.get(..NUMBERS).filter(|first| first.len() < numbers.len()) {
        None => format!("{numbers:?}"),
        Some(first) => {
            let first = format!("{first:?}");
            format!("{}, ...] ({} in all)", first.trim_end_matches(']'), numbers.len())
        }
    }
}

/// The characters, escaped, up to so many bytes, and whether these are all.
fn escaped(text: impl Iterator<Item = char>, most: usize) -> (String, bool) {
    let mut out = String::new();
    for c in text {
        let length = out.len();
        if c.is_control() {
            out.extend(c.escape_default());
        } else if reorders(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        if out.len() > most {
            out.truncate(length);
            return (out, false);
        }
    }
    (out, true)
}

/// Line and paragraph separators, directional marks, and characters of no width.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_and_plain_stays_as_it_is() {
        assert_eq!(shown("weights, \"Größe\" \\ 'b'"), "weights, \"Größe\" \\ 'b'");
        assert_eq!(shown_path("runs/D53/cfg.json".as_ref()), "runs/D53/cfg.json");
        assert_eq!(shown_list(&["a", "b"], " or "), "a or b");
        assert_eq!(shown_numbers(&[2, 3]), "[2, 3]");
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_what_is_long_is_cut() {
        assert_eq!(shown("a\n\u{1b}[2J\u{202e}b\u{85}"), "a\\n\\u{1b}[2J\\u{202e}b\\u{85}");
        assert_eq!(shown(&shown("\u{7}\\")), shown("\u{7}\\"), "escaped once");
        for text in ["é".repeat(3_000_000), "\n".repeat(501), "\u{1b}".repeat(400)] {
            assert!(shown(&text).len() < TEXT + 40, "{}", shown(&text).len());
            assert!(shown_path(text.as_ref()).len() <= PATH + 3);
            let list = vec![text; 100];
            assert!(shown_list(&list, ", ").len() < LIST + 40 + TEXT);
        }
        let long = format!("start{}end", "x".repeat(5000));
        assert!(shown_path(long.as_ref()).starts_with("startxx") && shown_path(long.as_ref()).ends_with("xxend"));
        assert!(shown_list(&vec!["name"; 10_000], ", ").ends_with("name, ... (10000 in all)"));
        assert!(shown_numbers(&vec![7; 10_000]).ends_with("7, 7, ...] (10000 in all)"));
    }
}
