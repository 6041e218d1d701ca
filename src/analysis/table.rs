//! Tables of results: plain data that prints itself as text, and that a report renders as HTML.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A word for a number, and what it means: the head of a column, the name of a fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Term {
    /// The word.
    pub name: Cow<'static, str>,
    /// Its definition, in a sentence or two.
    pub means: Cow<'static, str>,
}

impl Term {
    /// A word and what it means.
    pub fn new(name: impl Into<Cow<'static, str>>, means: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), means: means.into() }
    }
}

/// What stands in a cell of a [`Table`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Cell {
    /// Text.
    Text(String),
    /// A whole number.
    Count(usize),
    /// A number, with five digits.
    Number(f64),
    /// A share of 1, in per cent.
    Share(f64),
    /// Nothing, and why: the reason is a footnote of the table.
    Missing(Cow<'static, str>),
}

impl Cell {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number, or nothing for a reason.
    pub fn number(value: Option<f64>, reason: &'static str) -> Self {
        value.map_or(Self::Missing(reason.into()), Self::Number)
    }

    /// A share, or nothing for a reason.
    pub fn share(value: Option<f64>, reason: &'static str) -> Self {
        value.map_or(Self::Missing(reason.into()), Self::Share)
    }

    /// A whole number, or nothing for a reason.
    pub fn count(value: Option<usize>, reason: &'static str) -> Self {
        value.map_or(Self::Missing(reason.into()), Self::Count)
    }

    /// The number in it, which a reader may sort by.
    pub(crate) fn value(&self) -> Option<f64> {
        match *self {
            Self::Count(count) => Some(count as f64),
            Self::Number(value) | Self::Share(value) => Some(value),
            Self::Text(_) | Self::Missing(_) => None,
        }
    }
}

/// A cell by itself; a missing one as a dash, without its reason.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Text(ref text) => f.write_str(text),
            Self::Count(count) => write!(f, "{count}"),
            Self::Number(0.0) => f.write_str("0"),
            Self::Number(value) if !(1e-3..1e5).contains(&value.abs()) => write!(f, "{value:.4e}"),
            Self::Number(value) => write!(f, "{value:.4}"),
            Self::Share(value) => write!(f, "{:.2} %", 100.0 * value),
            Self::Missing(_) => f.write_str("–"),
        }
    }
}

/// A result as a table: [`Display`](fmt::Display) prints it, a report's page renders it.
///
/// ```
/// use irreplens::analysis::{Cell, Table, Term};
/// let columns = vec![Term::new("block", "Rows that belong together."), Term::new("share", "Of the square norm.")];
/// let rows = vec![
///     vec![Cell::text("frequency 1"), Cell::Share(0.25)],
///     vec![Cell::text("frequency 12"), Cell::share(None, "the map is zero")],
/// ];
/// let table = Table::new("Shares", columns, rows);
/// assert_eq!(table.to_string(), "\
/// Shares
///   block           share
///   frequency 1   25.00 %
///   frequency 12        –
///   –: the map is zero");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Table {
    /// What it lists.
    pub title: String,
    /// What stands in each column.
    pub columns: Vec<Term>,
    /// The rows, of a cell a column.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with a head for every column, and a cell of every column in each row.
    pub fn new(title: impl Into<String>, columns: Vec<Term>, rows: Vec<Vec<Cell>>) -> Self {
        Self { title: title.into(), columns, rows }
    }

    /// The reasons why cells are missing, each once, in the order of their first cells.
    #[must_use]
    pub fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = Vec::new();
        for cell in self.rows.iter().flatten() {
            if let Cell::Missing(reason) = cell
                && !reasons.contains(&&**reason)
            {
                reasons.push(reason);
            }
        }
        reasons
    }

    /// The number of a cell's footnote, for a missing cell of a table with several reasons.
    pub(crate) fn footnote(cell: &Cell, reasons: &[&str]) -> String {
        let Cell::Missing(reason) = cell else { return String::new() };
        let number = reasons.iter().position(|r| r == reason).filter(|_| reasons.len() > 1);
        number.map_or(String::new(), superscript)
    }
}

/// The number after `i` as superscript digits.
pub(crate) fn superscript(i: usize) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    (i + 1).to_string().bytes().map(|digit| DIGITS[usize::from(digit - b'0')]).collect()
}

/// A text in lines that fit a screen.
pub(super) fn lines(text: &str) -> String {
    wrapped(text, WIDTH).join("\n")
}

/// Words in lines of at most `width` characters, longer words on lines of their own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// Columns of text that a table takes, at most.
const WIDTH: usize = 100;

/// Characters of a head beside each other, and of a text that is broken into lines, at least.
const NARROW: usize = 11;

/// The widths of columns with what stands between them.
fn total(widths: &[usize]) -> usize {
    widths.iter().map(|width| width + 2).sum()
}

/// Columns by their numbers, in as few parts as fit [`WIDTH`]; the first column opens every part.
fn parts(widths: &[usize]) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = vec![vec![]];
    for c in 0..widths.len() {
        let part = parts.last_mut().expect("one at least");
        let taken: usize = part.iter().map(|&c| widths[c] + 2).sum();
        if part.len() > 1 && taken + widths[c] + 2 > WIDTH {
            parts.push(vec![0, c]);
        } else {
            part.push(c);
        }
    }
    parts
}

/// The title, the heads of the columns over as many lines as keep them narrow, the rows, and why cells are missing; texts
/// to the left, numbers to the right. What is wider than 100 columns has its long texts broken into lines, then its columns
/// in parts below each other.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.reasons();
        let shown = |cell: &Cell| format!("{cell}{}", Table::footnote(cell, &reasons));
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let length = |text: &String| text.chars().count();
        let body = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(length).max().unwrap_or(0);
        let is_text = |c: usize| {
            let cells = || self.rows.iter().filter_map(|row| row.get(c));
            cells().all(|cell| cell.value().is_none()) && cells().any(|cell| matches!(cell, Cell::Text(_)))
        };
        let left: Vec<bool> = (0..self.columns.len()).map(is_text).collect();
        let head = |c: usize, width: usize| wrapped(&self.columns[c].name, width.max(NARROW));
        let heads: Vec<Vec<String>> = (0..self.columns.len()).map(|c| head(c, body(c))).collect();
        let longest = |lines: &[String]| lines.iter().map(length).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..heads.len()).map(|c| longest(&heads[c]).max(body(c))).collect();
        // The widest text gives way first.
        while let Some(over) = total(&widths).checked_sub(WIDTH + 1) {
            let texts = (0..widths.len()).filter(|&c| left[c] && widths[c] > longest(&heads[c]).max(NARROW));
            let Some(widest) = texts.max_by_key(|&c| widths[c]) else { break };
            widths[widest] = widths[widest].saturating_sub(over + 1).max(longest(&heads[widest])).max(NARROW);
        }
        let line = |part: &[usize], cells: &dyn Fn(usize) -> String| {
            let cell = |&c: &usize| match (left[c], widths[c]) {
                (true, width) => format!("  {:<width$}", cells(c)),
                (false, width) => format!("  {:>width$}", cells(c)),
            };
            part.iter().map(cell).collect::<String>().trim_end().to_owned()
        };
        let mut lines = wrapped(&self.title, WIDTH);
        lines.retain(|line| !line.is_empty());
        for (i, part) in parts(&widths).iter().enumerate() {
            lines.extend((i > 0).then(String::new));
            let tallest = part.iter().map(|&c| heads[c].len()).max().unwrap_or(0);
            for l in 0..tallest {
                // The last lines of all heads stand on one line.
                let word = |c: usize| (l + heads[c].len()).checked_sub(tallest).map(|at| heads[c][at].clone());
                lines.push(line(part, &|c| word(c).unwrap_or_default()));
            }
            for row in &rows {
                let cell = |c: usize| match row.get(c) {
                    Some(text) if left[c] => wrapped(text, widths[c]),
                    text => vec![text.cloned().unwrap_or_default()],
                };
                let cells: Vec<Vec<String>> = (0..widths.len()).map(cell).collect();
                let height = part.iter().map(|&c| cells[c].len()).max().unwrap_or(0);
                lines.extend((0..height).map(|l| line(part, &|c| cells[c].get(l).cloned().unwrap_or_default())));
            }
        }
        if rows.is_empty() {
            lines.push("  none".into());
        }
        for (i, reason) in reasons.iter().enumerate() {
            let number = if reasons.len() == 1 { String::new() } else { superscript(i) };
            let note = wrapped(&format!("–{number}: {reason}"), WIDTH - 4);
            lines.extend(
                note.iter().enumerate().map(|(l, text)| format!("{}{text}", if l == 0 { "  " } else { "    " })),
            );
        }
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_a_digit() {
        let shown = [0.0, -0.0, 1e-9, 0.5, 2e7].map(|value| Cell::Number(value).to_string());
        assert_eq!(shown, ["0", "0", "1.0000e-9", "0.5000", "2.0000e7"]);
    }

    /// Whatever is in it: long texts are broken first, then columns stand in parts below each other.
    #[test]
    fn nothing_is_wider_than_a_hundred_columns() {
        let names = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        let table = |texts: usize, numbers: usize| {
            let columns = (0..texts + numbers).map(|c| Term::new(format!("column number {c}"), "")).collect();
            let text = |i: usize| Cell::text(names(40 * i));
            let cells = (0..texts).map(text).chain((0..numbers).map(|c| Cell::Number(c as f64)));
            let mut cells: Vec<Cell> = cells.collect();
            cells[0] = Cell::Missing(names(60).into());
            Table::new("title ".repeat(30).trim(), columns, vec![cells]).to_string()
        };
        for (texts, numbers) in [(1, 0), (2, 3), (3, 4), (1, 20), (4, 20), (9, 1)] {
            let text = table(texts, numbers);
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{texts} {numbers}:\n{text}");
            for c in 1..texts {
                let last = (40 * c - 1).to_string();
                assert!(text.contains(&last), "{texts} {numbers}:\n{text}");
            }
            for c in 0..texts + numbers {
                assert!(text.split_whitespace().any(|word| word == c.to_string()), "{c} of {texts} {numbers}:\n{text}");
            }
        }
        // The first column names the rows of every part.
        let columns = (0..15).map(|c| Term::new(format!("column{c}"), "")).collect();
        let text = Table::new("", columns, vec![(0..15).map(Cell::Count).collect()]).to_string();
        assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("column0 ")).count(), 2, "{text}");
    }
}
