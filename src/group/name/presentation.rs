//! Groups by generators and relations.

use super::coset;
use super::display::listed;
use super::parse::Parser;
use super::{GroupForm, GroupName};
use crate::error::{Error, Result};
use crate::group::{CayleyTable, Elem};
use ndarray::Array2;
use std::fmt::{self, Display, Formatter};

/// Letters of all relations, powers and commutators written out, at most.
const LETTERS: usize = 50_000;

/// Brackets in brackets of a word, at most.
const DEPTH: usize = 50;

/// Generators and relations: `<a, b | a^4, b^2, (a b)^3>`.
///
/// A generator is a letter, perhaps with digits behind it, so that `ab` is `a b`. A relation is a word that is 1, or words that are
/// equal, `a b = b a`. In a word `a^-1` is an inverse, `[a, b]` the commutator `a^-1 b^-1 a b`, and `1` the empty word.
///
/// The group is found by Todd and Coxeter's enumeration of the cosets of the trivial subgroup: Felsch's strategy within 250,000
/// cosets, and where that is not enough the one of Haselgrove, Leech and Trotter, with look-ahead, within 1,000,000. Its rows are in
/// order of breadth-first discovery from the identity, multiplying by each generator in turn on the right. A presentation that is
/// found to be trivial is refused.
///
/// Source: Holt, Eick, O'Brien, Handbook of Computational Group Theory (2005), chapter 5.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Presentation {
    generators: Vec<String>,
    /// Words that are equal, and to 1 where there is one.
    relations: Vec<Vec<Word>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Word {
    Generator(usize),
    Power(Box<Word>, i64),
    Commutator(Box<Word>, Box<Word>),
    /// The product of none, or of two or more.
    Product(Vec<Word>),
}

impl Word {
    /// The number of letters when it is written out.
    fn length(&self) -> usize {
        match self {
            Self::Generator(_) => 1,
            Self::Power(base, k) => {
                base.length().saturating_mul(usize::try_from(k.unsigned_abs()).unwrap_or(usize::MAX))
            }
            Self::Commutator(x, y) => x.length().saturating_add(y.length()).saturating_mul(2),
            Self::Product(words) => words.iter().fold(0, |sum, word| sum.saturating_add(word.length())),
        }
    }

    /// The columns of its letters: 2i for generator i, and 2i + 1 for its inverse.
    fn letters(&self) -> Vec<usize> {
        let inverse = |letters: &[usize]| letters.iter().rev().map(|letter| letter ^ 1).collect::<Vec<_>>();
        match self {
            Self::Generator(i) => vec![2 * i],
            Self::Power(base, k) => {
                let base = base.letters();
                let base = if *k < 0 { inverse(&base) } else { base };
                base.repeat(k.unsigned_abs() as usize)
            }
            Self::Commutator(x, y) => {
                let (x, y) = (x.letters(), y.letters());
                [inverse(&x), inverse(&y), x, y].concat()
            }
            Self::Product(words) => words.iter().flat_map(Self::letters).collect(),
        }
    }
}

impl Presentation {
    /// The words that are 1, cancelled freely and cyclically.
    fn relators(&self) -> Vec<Vec<usize>> {
        let mut relators: Vec<Vec<usize>> = Vec::new();
        for relation in &self.relations {
            let words: Vec<Vec<usize>> = relation.iter().map(Word::letters).collect();
            let last = words.last().cloned().unwrap_or_default();
            let inverse: Vec<usize> = last.iter().rev().map(|letter| letter ^ 1).collect();
            match &words[..] {
                [word] => relators.push(reduced(word)),
                [others @ .., _] => relators.extend(others.iter().map(|word| reduced(&[&word[..], &inverse].concat()))),
                [] => {}
            }
        }
        relators.retain(|relator| !relator.is_empty());
        relators
    }

    /// The group: its multiplication table.
    pub(super) fn build(&self, name: &GroupName) -> Result<GroupForm> {
        let k = self.generators.len();
        let cosets = coset::enumerate(k, &self.relators()).map_err(|coset::Endless { cosets }| {
            let expected = "a presentation whose enumeration of cosets comes to an end";
            Error::no_group(name, expected, format!("none within {cosets} cosets: the group is infinite or too large"))
        })?;
        let n = cosets[0].len();
        name.check_order(n)?;
        if n == 1 {
            let expected = "a presentation that does not collapse (the trivial group is C1)";
            return Err(Error::no_group(name, expected, "one in which every generator is 1"));
        }
        name.check_table(n)?;
        let identity = Elem::new(0);
        let mut table = Array2::from_elem((n, n), identity);
        let steps = coset::steps(&cosets);
        for (x, mut row) in (0..n).zip(table.rows_mut()) {
            row[0] = Elem::new(x);
            for &(from, generator, to) in &steps {
                row[to] = Elem::new(cosets[generator][row[from].index()]);
            }
        }
        Ok(GroupForm::Table(CayleyTable::trusted(table, identity).into()))
    }
}

/// Without letters beside their inverses, at the ends neither.
fn reduced(word: &[usize]) -> Vec<usize> {
    let mut reduced: Vec<usize> = Vec::new();
    for &letter in word {
        if reduced.last() == Some(&(letter ^ 1)) {
            reduced.pop();
        } else {
            reduced.push(letter);
        }
    }
    let mut trimmed = &reduced[..];
    while let [first, inside @ .., last] = trimmed {
        if *first != last ^ 1 {
            break;
        }
        trimmed = inside;
    }
    trimmed.to_vec()
}

impl Display for Presentation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<")?;
        listed(f, ", ", &self.generators, |f, generator| f.write_str(generator))?;
        f.write_str(" | ")?;
        listed(f, ", ", &self.relations, |f, words| listed(f, " = ", words, |f, word| self.write(f, word)))?;
        f.write_str(">")
    }
}

impl Presentation {
    fn write(&self, f: &mut Formatter<'_>, word: &Word) -> fmt::Result {
        let part = |f: &mut Formatter<'_>, word: &Word| match word {
            Word::Product(words) if words.len() > 1 => {
                f.write_str("(")?;
                self.write(f, word)?;
                f.write_str(")")
            }
            _ => self.write(f, word),
        };
        match word {
            Word::Generator(i) => f.write_str(&self.generators[*i]),
            Word::Power(base, k) => {
                match **base {
                    Word::Power(..) => {
                        f.write_str("(")?;
                        self.write(f, base)?;
                        f.write_str(")")?;
                    }
                    _ => part(f, base)?,
                }
                write!(f, "^{k}")
            }
            Word::Commutator(x, y) => {
                f.write_str("[")?;
                self.write(f, x)?;
                f.write_str(", ")?;
                self.write(f, y)?;
                f.write_str("]")
            }
            Word::Product(words) if words.is_empty() => f.write_str("1"),
            Word::Product(words) => listed(f, " ", words, part),
        }
    }
}

impl Parser<'_> {
    /// A presentation behind its `<`.
    pub(super) fn presentation(&mut self) -> Result<Presentation> {
        let mut found = Presentation { generators: Vec::new(), relations: Vec::new() };
        loop {
            self.skip_spaces();
            let start = self.at;
            let Some(generator) = self.letter() else { return Err(self.expected("a generator: a letter")) };
            if found.generators.contains(&generator) {
                return Err(self.wrong(start, "generators that differ", format!("`{generator}` again")));
            }
            found.generators.push(generator);
            if !self.take(",") {
                break;
            }
        }
        self.require("|")?;
        if self.take(">") {
            return Ok(found);
        }
        let mut letters = 0usize;
        loop {
            self.skip_spaces();
            let start = self.at;
            let mut words = vec![self.word(&found.generators, 0)?];
            while self.take("=") {
                words.push(self.word(&found.generators, 0)?);
            }
            // The last word of an equation stands in each of its relators.
            let last = words.last().map_or(0, Word::length).saturating_mul(words.len());
            letters = words.iter().fold(letters, |sum, word| sum.saturating_add(word.length())).saturating_add(last);
            if letters > 2 * LETTERS {
                let expected = format!("relations of at most {LETTERS} letters");
                return Err(self.wrong(start, expected, "more"));
            }
            found.relations.push(words);
            if !self.take(",") {
                self.require(">")?;
                return Ok(found);
            }
        }
    }

    /// A letter with digits behind it.
    fn letter(&mut self) -> Option<String> {
        self.skip_spaces();
        let rest = self.rest();
        let first = rest.chars().next().filter(char::is_ascii_alphabetic)?;
        let end = rest[1..].find(|c: char| !c.is_ascii_digit() && c != '_').map_or(rest.len(), |end| end + 1);
        debug_assert!(first.len_utf8() == 1);
        self.at += end;
        Some(rest[..end].into())
    }

    /// Factors of a word.
    fn word(&mut self, generators: &[String], depth: usize) -> Result<Word> {
        if depth > DEPTH {
            return Err(self.wrong(self.at, format!("at most {DEPTH} brackets in brackets"), "more"));
        }
        let mut factors = Vec::new();
        loop {
            self.take("*");
            self.skip_spaces();
            let start = self.at;
            let mut factor = if self.take("(") {
                let inside = self.word(generators, depth + 1)?;
                self.require(")")?;
                inside
            } else if self.take("[") {
                let left = self.word(generators, depth + 1)?;
                self.require(",")?;
                let right = self.word(generators, depth + 1)?;
                self.require("]")?;
                Word::Commutator(left.into(), right.into())
            } else if self.take("1") {
                Word::Product(Vec::new())
            } else if let Some(letter) = self.letter() {
                let known = generators.iter().position(|generator| *generator == letter);
                let unknown = || {
                    self.wrong(start, format!("one of the generators {}", generators.join(", ")), format!("`{letter}`"))
                };
                Word::Generator(known.ok_or_else(unknown)?)
            } else if factors.is_empty() {
                return Err(self.expected("a word in the generators"));
            } else {
                break;
            };
            if self.take("^") {
                let negative = self.take("-");
                let exponent = self.number()? as i64;
                factor = Word::Power(factor.into(), if negative { -exponent } else { exponent });
            }
            factors.push(factor);
        }
        Ok(if factors.len() == 1 { factors.remove(0) } else { Word::Product(factors) })
    }
}
