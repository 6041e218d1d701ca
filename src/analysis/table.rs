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
            Self::Number(value) if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) => write!(f, "{value:.4e}"),
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

/// The title, the heads of the columns over as many lines as keep them narrow, the rows, and why cells are missing; texts
/// to the left, numbers to the right.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Characters of a head beside each other, at least.
        const HEAD: usize = 11;
        let reasons = self.reasons();
        let shown = |cell: &Cell| format!("{cell}{}", Table::footnote(cell, &reasons));
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let length = |text: &String| text.chars().count();
        let body = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(length).max().unwrap_or(0);
        let heads: Vec<Vec<String>> =
            self.columns.iter().enumerate().map(|(c, term)| wrapped(&term.name, body(c).max(HEAD))).collect();
        let widths: Vec<usize> =
            heads.iter().enumerate().map(|(c, head)| head.iter().map(length).max().unwrap_or(0).max(body(c))).collect();
        let is_text = |c: usize| {
            let cells = || self.rows.iter().filter_map(|row| row.get(c));
            cells().all(|cell| cell.value().is_none()) && cells().any(|cell| matches!(cell, Cell::Text(_)))
        };
        let left: Vec<bool> = (0..widths.len()).map(is_text).collect();
        let line = |cells: &dyn Fn(usize) -> String| {
            let mut line = String::new();
            for (c, &width) in widths.iter().enumerate() {
                line += &match left[c] {
                    true => format!("  {:<width$}", cells(c)),
                    false => format!("  {:>width$}", cells(c)),
                };
            }
            line.trim_end().to_owned()
        };
        let mut lines = Vec::new();
        lines.extend((!self.title.is_empty()).then(|| self.title.clone()));
        let tallest = heads.iter().map(Vec::len).max().unwrap_or(0);
        for l in 0..tallest {
            // The last lines of all heads stand on one line.
            let word = |c: usize| (l + heads[c].len()).checked_sub(tallest).map(|at| heads[c][at].clone());
            lines.push(line(&|c| word(c).unwrap_or_default()));
        }
        lines.extend(rows.iter().map(|row| line(&|c| row.get(c).cloned().unwrap_or_default())));
        if rows.is_empty() {
            lines.push("  none".into());
        }
        lines.extend(reasons.iter().enumerate().map(|(i, reason)| match reasons.len() {
            1 => format!("  –: {reason}"),
            _ => format!("  –{}: {reason}", superscript(i)),
        }));
        f.write_str(&lines.join("\n"))
    }
}
