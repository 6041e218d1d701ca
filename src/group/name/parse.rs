//! Reading the names of groups: recursive descent over the text, each error with its place.

use super::{GroupFile, GroupName, Kernel, MatrixFamily};
use crate::error::{Error, Result};
use std::str::FromStr;

/// Operators and brackets in one name, at most: what is built from them is walked recursively.
const PARTS: usize = 100;

/// The largest point of a permutation.
const POINTS: usize = 1000;

/// The letters and words that begin a name, as an error lists them.
const KNOWN: &str = "C, D, Dic, Q, S, A, GL, SL, PGL, PSL, Sp, GammaL, AGL, ASL, AGammaL, Hol, Aut, Heis, ES+, ES-, \
                     3^(1+2)+, perm:, table:, order:, generators:, cyclic:, dihedral:, dicyclic:, symmetric:, \
                     alternating:, <a, b | relations>, or one in parentheses";

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
            Some(_) => Err(parser.expected("an operator (^, x, :, wr, o, /) or the end")),
        }
    }
}

/// The text and the place in it, in bytes.
pub(super) struct Parser<'a> {
    text: &'a str,
    pub(super) at: usize,
    parts: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn skip_spaces(&mut self) {
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
        let start = self.at;
        match self.digits()? {
            0 => Err(self.wrong(start, "a number from 1 up", 0)),
            number => Ok(number),
        }
    }

    /// A whole number from 0 up.
    fn digits(&mut self) -> Result<usize> {
        self.skip_spaces();
        let digits = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
        let (start, text) = (self.at, &self.rest()[..digits]);
        if text.is_empty() {
            return Err(self.expected("a number"));
        }
        self.at += digits;
        text.parse().map_err(|_| self.wrong(start, "a number that fits in 64 bits", text))
    }

    /// Passes over any of some words.
    fn take_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.take(word))
    }

    /// Factors between operators, from the left.
    fn name(&mut self) -> Result<GroupName> {
        let mut left = self.factor()?;
        loop {
            let pair: fn(Box<GroupName>, Box<GroupName>) -> GroupName = if self.take_any(&["x", "*", "×"]) {
                GroupName::Direct
            } else if self.take_any(&["o", "∘"]) {
                GroupName::Central
            } else if self.take_any(&["wr", "≀"]) {
                GroupName::Wreath
            } else if self.take_any(&[":", "⋊"]) {
                self.part()?;
                left = self.semidirect(left)?;
                continue;
            } else if self.take("/") {
                self.part()?;
                left = GroupName::Quotient(left.into(), self.kernel()?);
                continue;
            } else {
                return Ok(left);
            };
            self.part()?;
            left = pair(left.into(), self.factor()?.into());
        }
    }

    /// A multiplier, if there is one, and the group that acts.
    fn semidirect(&mut self, normal: GroupName) -> Result<GroupName> {
        let mut multiplier = None;
        if self.take("{") {
            multiplier = Some(self.number()?);
            self.require("}")?;
        }
        Ok(GroupName::Semidirect { normal: normal.into(), multiplier, acting: self.factor()?.into() })
    }

    /// What a quotient is by.
    fn kernel(&mut self) -> Result<Kernel> {
        if self.take("Z") {
            return Ok(Kernel::Center);
        }
        if !self.take("<") {
            return Err(self.expected("`Z` for the centre, or rows of elements as <#2,#5>"));
        }
        let mut rows = Vec::new();
        loop {
            self.require("#")?;
            rows.push(self.digits()?);
            if !self.take(",") {
                self.require(">")?;
                return Ok(Kernel::Closure(rows));
            }
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
        if self.rest().starts_with('(') {
            return self.argument();
        }
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            return self.extraspecial();
        }
        if self.take("<") {
            return Ok(GroupName::Presentation(self.presentation()?));
        }
        let start = self.at;
        let letters = self.rest().find(|c: char| !c.is_alphabetic()).unwrap_or(self.rest().len());
        let word = self.rest()[..letters].to_lowercase().replace('γ', "gamma");
        self.at += letters;
        if let Some(&(family, _)) = MatrixFamily::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(&word)) {
            let [n, q] = self.two_numbers()?;
            return Ok(GroupName::Matrix(family, n, q));
        }
        let family: fn(usize) -> GroupName = match word.as_str() {
            "c" | "z" | "cyclic" => GroupName::Cyclic,
            "d" | "dih" | "dihedral" => GroupName::Dihedral,
            "dic" | "dicyclic" => GroupName::Dicyclic,
            "s" | "sym" | "symmetric" => GroupName::Symmetric,
            "a" | "alt" | "alternating" => GroupName::Alternating,
            "q" => return self.quaternion(),
            "hol" => return Ok(GroupName::Holomorph(self.argument()?.into())),
            "aut" => return Ok(GroupName::Automorphisms(self.argument()?.into())),
            "he" | "heis" => return self.heisenberg(),
            "es" => return self.extraspecial_by_sign(),
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

    /// A name in parentheses.
    fn argument(&mut self) -> Result<GroupName> {
        self.require("(")?;
        self.part()?;
        let inside = self.name()?;
        self.require(")")?;
        Ok(inside)
    }

    fn two_numbers(&mut self) -> Result<[usize; 2]> {
        self.require("(")?;
        let first = self.number()?;
        self.require(",")?;
        let second = self.number()?;
        self.require(")")?;
        Ok([first, second])
    }

    /// `He3` or `Heis(3)`.
    fn heisenberg(&mut self) -> Result<GroupName> {
        let bracket = self.take("(");
        let modulus = self.number()?;
        if bracket {
            self.require(")")?;
        }
        Ok(GroupName::Heisenberg(modulus))
    }

    fn sign(&mut self) -> Result<bool> {
        match (self.take("+"), self.take("-")) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            _ => Err(self.expected("`+` or `-`")),
        }
    }

    /// `ES+(3,1)`.
    fn extraspecial_by_sign(&mut self) -> Result<GroupName> {
        let plus = self.sign()?;
        let [p, n] = self.two_numbers()?;
        Ok(GroupName::Extraspecial { p, n, plus })
    }

    /// `3^(1+2)+`.
    fn extraspecial(&mut self) -> Result<GroupName> {
        let p = self.number()?;
        for word in ["^", "(", "1", "+"] {
            self.require(word)?;
        }
        self.skip_spaces();
        let start = self.at;
        let twice = self.number()?;
        if twice % 2 == 1 {
            return Err(self.wrong(start, "an even number, as in 3^(1+2)+", twice));
        }
        self.require(")")?;
        Ok(GroupName::Extraspecial { p, n: twice / 2, plus: self.sign()? })
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
