//! Reading the names of groups: recursive descent over the text, each error with its place.

use super::{GroupFile, GroupName};
use crate::error::{Error, Result};
use std::str::FromStr;

/// Operators and brackets in one name, at most: what is built from them is walked recursively.
const PARTS: usize = 100;

/// The largest point of a permutation.
const POINTS: usize = 1000;

/// The letters and words that begin a name, as an error lists them.
const KNOWN: &str = "C, D, Dic, Q, S, A, perm:, table:, order:, generators:, cyclic:, dihedral:, dicyclic:, symmetric:, \
                     alternating:, or one in parentheses";

impl FromStr for GroupName {
    type Err = Error;

    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::GroupName`] with the place at which it cannot be read and what would do there.
    fn from_str(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0, parts: 0 };
        let name = parser.name()?;
        match parser.rest().chars().next() {
            None => Ok(name),
            Some(_) => Err(parser.expected("an operator (^, x, :) or the end")),
        }
    }
}

/// The text and the place in it, in bytes.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    parts: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Passes over some text, in any case, if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word));
        if found {
            self.at += word.len();
        }
        found
    }

    /// Passes over text that has to come next.
    pub(super) fn require(&mut self, word: &str) -> Result<()> {
        if self.take(word) { Ok(()) } else { Err(self.expected(format!("`{word}`"))) }
    }

    /// The error that something else should stand here.
    pub(super) fn expected(&self, expected: impl Into<String>) -> Error {
        let rest = self.rest().trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len()).min(20);
        let got = match rest.chars().next() {
            None => "the end".into(),
            Some(c) => format!("`{}`", rest.get(..letters).filter(|word| !word.is_empty()).unwrap_or(&c.to_string())),
        };
        self.wrong(self.text.len() - rest.len(), expected, got)
    }

    /// An error at a place.
    pub(super) fn wrong(&self, at: usize, expected: impl Into<String>, got: impl ToString) -> Error {
        let at = self.text[..at].chars().count() + 1;
        Error::GroupName { name: self.text.into(), at: Some(at), expected: expected.into(), got: got.to_string() }
    }

    /// Counts one more operator or bracket.
    pub(super) fn part(&mut self) -> Result<()> {
        self.parts += 1;
        if self.parts <= PARTS {
            return Ok(());
        }
        Err(self.wrong(self.at, format!("at most {PARTS} operators and brackets"), "more"))
    }

    /// A whole number from 1 up.
    pub(super) fn number(&mut self) -> Result<usize> {
        self.skip_spaces();
        let digits = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
        let (start, text) = (self.at, &self.rest()[..digits]);
        if text.is_empty() {
            return Err(self.expected("a number"));
        }
        self.at += digits;
        match text.parse() {
            Ok(0) => Err(self.wrong(start, "a number from 1 up", 0)),
            Ok(number) => Ok(number),
            Err(_) => Err(self.wrong(start, "a number that fits in 64 bits", text)),
        }
    }

    /// Factors between operators, from the left.
    fn name(&mut self) -> Result<GroupName> {
        let mut left = self.factor()?;
        loop {
            left = if self.take("x") || self.take("*") || self.take("×") {
                self.part()?;
                GroupName::Direct(left.into(), self.factor()?.into())
            } else if self.take(":") {
                self.part()?;
                let multiplier = if self.take("{") {
                    let multiplier = self.number()?;
                    self.require("}")?;
                    Some(multiplier)
                } else {
                    None
                };
                GroupName::Semidirect { normal: left.into(), multiplier, acting: self.factor()?.into() }
            } else {
                return Ok(left);
            };
        }
    }

    /// One group, perhaps to a power.
    fn factor(&mut self) -> Result<GroupName> {
        let mut base = self.atom()?;
        while self.take("^") {
            self.part()?;
            base = GroupName::Power(base.into(), self.number()?);
        }
        Ok(base)
    }

    fn atom(&mut self) -> Result<GroupName> {
        self.skip_spaces();
        if self.take("(") {
            self.part()?;
            let inside = self.name()?;
            self.require(")")?;
            return Ok(inside);
        }
        let start = self.at;
        let letters = self.rest().find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest().len());
        let word = self.rest()[..letters].to_ascii_lowercase();
        self.at += letters;
        let colon = self.rest().trim_start().starts_with(':');
        let family: fn(usize) -> GroupName = match word.as_str() {
            "cyclic" | "dihedral" | "dicyclic" | "symmetric" | "alternating" | "perm" | "table" | "order"
            | "generators"
                if !colon =>
            {
                return Err(self.expected("`:`"));
            }
            "c" | "z" | "cyclic" => GroupName::Cyclic,
            "d" | "dih" | "dihedral" => GroupName::Dihedral,
            "dic" | "dicyclic" => GroupName::Dicyclic,
            "s" | "sym" | "symmetric" => GroupName::Symmetric,
            "a" | "alt" | "alternating" => GroupName::Alternating,
            "q" => return self.quaternion(),
            "perm" => return self.permutations(),
            "table" => return self.file(GroupFile::Table),
            "order" => return self.file(GroupFile::Order),
            "generators" => return self.file(GroupFile::Generators),
            _ => {
                self.at = start;
                return Err(self.expected(format!("a group's name, one of {KNOWN}")));
            }
        };
        if word.len() > 4 {
            self.require(":")?; // cyclic:113
        }
        Ok(family(self.number()?))
    }

    /// The order of a generalised quaternion group.
    fn quaternion(&mut self) -> Result<GroupName> {
        let start = self.at;
        match self.number()? {
            order if order.is_power_of_two() && order >= 8 => Ok(GroupName::Dicyclic(order / 4)),
            order => {
                Err(self.wrong(start, "an order that is a power of two from 8 up (else Dic3, of order 12)", order))
            }
        }
    }

    /// The path of a file: between quotation marks, or to the end of the text.
    fn file(&mut self, kind: GroupFile) -> Result<GroupName> {
        self.require(":")?;
        self.skip_spaces();
        let (start, quoted) = (self.at, self.rest().starts_with('"'));
        let path = if quoted {
            let inside = &self.rest()[1..];
            let end =
                inside.find('"').ok_or_else(|| self.wrong(self.text.len(), "a `\"` behind the path", "the end"))?;
            self.at += end + 2;
            &inside[..end]
        } else {
            let path = self.rest().trim_end();
            self.at = self.text.len();
            path
        };
        match path.contains('"') || path.is_empty() {
            false => Ok(GroupName::File(kind, path.into())),
            true => Err(self.wrong(start, "the path of a file, without `\"` in it", format!("`{path}`"))),
        }
    }

    /// Products of cycles between commas: the lists of images, all of the least degree that holds them.
    fn permutations(&mut self) -> Result<GroupName> {
        self.require(":")?;
        let mut generators = vec![self.cycles()?];
        while self.take(",") {
            generators.push(self.cycles()?);
        }
        let moved = |images: &Vec<usize>| (0..images.len()).rev().find(|&i| images[i] != i).map_or(1, |last| last + 1);
        let degree = generators.iter().map(moved).max().unwrap_or(1);
        for images in &mut generators {
            let known = images.len();
            images.extend(known..degree);
            images.truncate(degree);
        }
        Ok(GroupName::Permutations(generators))
    }

    /// Disjoint cycles of points from 1, written as images of the points from 0.
    fn cycles(&mut self) -> Result<Vec<usize>> {
        let mut images: Vec<usize> = Vec::new();
        let mut seen = Vec::new();
        self.require("(")?;
        loop {
            let mut cycle: Vec<usize> = Vec::new();
            while !self.take(")") {
                if !cycle.is_empty() {
                    self.take(",");
                }
                self.skip_spaces();
                let start = self.at;
                let point = self.number()?;
                if point > POINTS {
                    return Err(self.wrong(start, format!("a point from 1 to {POINTS}"), point));
                }
                let known = images.len();
                images.extend(known..point);
                seen.resize(images.len(), false);
                if std::mem::replace(&mut seen[point - 1], true) {
                    return Err(self.wrong(
                        start,
                        "every point once in a product of disjoint cycles",
                        format!("{point} again"),
                    ));
                }
                cycle.push(point - 1);
            }
            for (i, &point) in cycle.iter().enumerate() {
                images[point] = cycle[(i + 1) % cycle.len()];
            }
            if !self.take("(") {
                return Ok(images);
            }
        }
    }
}
