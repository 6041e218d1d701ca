//! The `.npy` format: the header, one flat dictionary of three keys, and the numbers behind it.
//!
//! The header is text of Python. It is parsed here in one pass, byte by byte and without recursion, and no more of it is
//! looked at than NumPy itself would ([`MOST`]). Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use ndarray::ArrayD;

use super::Tensor;
use super::element::{Dtype, places};

/// Bytes of a header, at most: NumPy's own limit.
pub(super) const MOST: usize = 10_000;

/// Bytes before the header's text, at most.
pub(super) const PREFIX: usize = 12;

/// Axes of an array, at most: NumPy's own limit.
const AXES: usize = 64;

#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// The type as the file names it: `<f4`, or for a structured one the whole list.
    pub descr: String,
    pub fortran_order: bool,
    pub shape: Vec<usize>,
    /// Where the numbers begin.
    pub data: usize,
}

impl Header {
    /// From the first bytes of an entry, its whole header among them; else what was expected and what was found.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, (&'static str, String)> {
        let cut = || ("a whole header", "one that is cut short".to_owned());
        let rest = bytes
            .strip_prefix(b"\x93NUMPY")
            .ok_or_else(|| ("an array in NumPy's format", "one without its first bytes".to_owned()))?;
        let (start, length) = match rest {
            [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([*a, *b]))),
            [2 | 3, _, a, b, c, d, ..] => (PREFIX, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
            [1..=3, ..] | [] => return Err(cut()),
            [version, ..] => return Err(("version 1, 2 or 3 of NumPy's format", version.to_string())),
        };
        if length > MOST {
            return Err(("a header of at most 10,000 bytes", length.to_string()));
        }
        let text = bytes.get(start..start + length).ok_or_else(cut)?;
        let header = Text { text, at: 0 }
            .dictionary()
            .map_err(|expected| (expected, format!("the header {}", String::from_utf8_lossy(text).trim_end())))?;
        Ok(Self { data: start + length, ..header })
    }

    /// Its type, if it is floats of 16, 32 or 64 bits, and whether they are big-endian.
    pub(super) fn floats(&self) -> Option<(Dtype, bool)> {
        let (order, kind) = self.descr.split_at_checked(1)?;
        let big = match order {
            "<" | "=" | "|" => false,
            ">" => true,
            _ => return None,
        };
        let dtype = match kind {
            "f2" => Dtype::F16,
            "f4" => Dtype::F32,
            "f8" => Dtype::F64,
            _ => return None,
        };
        Some((dtype, big))
    }

    /// The array in the bytes behind the header; `None` unless they are as many as its type and shape say.
    pub(super) fn array(&self, mut bytes: Vec<u8>) -> Option<Tensor> {
        let (dtype, big) = self.floats()?;
        let count = places(&self.shape)?;
        if count.checked_mul(dtype.size())? != bytes.len() {
            return None;
        }
        if big {
            bytes.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
        }
        let mut shape = self.shape.clone();
        if self.fortran_order {
            shape.reverse();
        }
        let tensor = dtype.gather(&bytes, &shape, 0..count)?;
        Some(match tensor {
            Tensor::F32(array) if self.fortran_order => Tensor::F32(transposed(array)),
            Tensor::F64(array) if self.fortran_order => Tensor::F64(transposed(array)),
            other => other,
        })
    }
}

fn transposed<T: Clone>(array: ArrayD<T>) -> ArrayD<T> {
    array.reversed_axes().as_standard_layout().into_owned()
}

/// The text of a header, and how far it has been read. Errors say what was expected.
struct Text<'a> {
    text: &'a [u8],
    at: usize,
}

type Parsed<T> = Result<T, &'static str>;

impl<'a> Text<'a> {
    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Whether this comes next; if so it is read.
    fn take(&mut self, token: &str) -> bool {
        self.peek();
        let found = self.text[self.at..].starts_with(token.as_bytes());
        self.at += if found { token.len() } else { 0 };
        found
    }

    /// `{'descr': ..., 'fortran_order': ..., 'shape': ...}`, the keys in any order.
    fn dictionary(mut self) -> Parsed<Header> {
        const EXPECTED: &str = "a dictionary of descr, fortran_order and shape";
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        let mut more = self.take("{");
        if !more {
            return Err(EXPECTED);
        }
        while more && self.peek() != Some(b'}') {
            let key = self.string().ok_or(EXPECTED)?;
            if !self.take(":") {
                return Err(EXPECTED);
            }
            let again = match key {
                b"descr" => descr.replace(self.descr()?).is_some(),
                b"fortran_order" => fortran_order.replace(self.truth()?).is_some(),
                b"shape" => shape.replace(self.shape()?).is_some(),
                _ => true,
            };
            if again {
                return Err(EXPECTED);
            }
            more = self.take(",");
        }
        if !self.take("}") || self.peek().is_some() {
            return Err(EXPECTED);
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Header { descr, fortran_order, shape, data: 0 }),
            _ => Err(EXPECTED),
        }
    }

    /// A string in quotes of either kind, without escapes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let quote = self.peek().filter(|quote| matches!(quote, b'\'' | b'"'))?;
        let rest = &self.text[self.at + 1..];
        let length = rest.iter().position(|&byte| byte == quote || byte == b'\\')?;
        self.at += length + 2;
        (rest[length] == quote).then(|| &rest[..length])
    }

    /// A type by name, or the list of a structured one: brackets are counted, not understood.
    fn descr(&mut self) -> Parsed<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some(name) = self.string() {
            return Ok(text(name));
        }
        const EXPECTED: &str = "a type by its name or a list of fields";
        if !matches!(self.peek(), Some(b'[' | b'(')) {
            return Err(EXPECTED);
        }
        let (start, mut depth) = (self.at, 0usize);
        loop {
            match self.peek().ok_or(EXPECTED)? {
                b'\'' | b'"' => drop(self.string().ok_or(EXPECTED)?),
                bracket => {
                    self.at += 1;
                    match bracket {
                        b'[' | b'(' => depth += 1,
                        b']' | b')' => depth -= 1,
                        _ => {}
                    }
                }
            }
            if depth == 0 {
                return Ok(text(&self.text[start..self.at]));
            }
        }
    }

    fn truth(&mut self) -> Parsed<bool> {
        match (self.take("True"), self.take("False")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err("fortran_order True or False"),
        }
    }

    /// `()`, `(3,)`, `(3, 4)`.
    fn shape(&mut self) -> Parsed<Vec<usize>> {
        const EXPECTED: &str = "a shape: a tuple of at most 64 lengths";
        let mut shape = Vec::new();
        let mut more = self.take("(");
        if !more {
            return Err(EXPECTED);
        }
        while more && self.peek() != Some(b')') {
            let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = str::from_utf8(&self.text[self.at..self.at + digits]).ok();
            shape.push(number.and_then(|number| number.parse().ok()).ok_or(EXPECTED)?);
            self.at += digits;
            self.take("L"); // as Python 2 writes a long integer
            more = self.take(",");
        }
        if !self.take(")") || shape.len() > AXES { Err(EXPECTED) } else { Ok(shape) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header, (&'static str, String)> {
        let bytes = [b"\x93NUMPY\x01\0", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat();
        Header::parse(&bytes)
    }

    #[test]
    fn headers_in_every_order_and_spelling() {
        let header = |descr: &str, fortran_order, shape: &[usize], text: &str| {
            let found = parse(text).unwrap();
            assert_eq!(found.data, 10 + text.len());
            assert_eq!(found, Header { descr: descr.into(), fortran_order, shape: shape.to_vec(), data: found.data });
        };
        header("<f4", false, &[49, 7], "{'descr': '<f4', 'fortran_order': False, 'shape': (49, 7), }      \n");
        header(">f8", true, &[3], "{\"shape\":(3,),\"fortran_order\":True,\"descr\":\">f8\"}");
        header("|O", false, &[], "{'descr': '|O', 'fortran_order': False, 'shape': ()}");
        header("<f2", false, &[5, 5], "{'shape': (5L, 5L), 'descr': '<f2', 'fortran_order': False}");
        let fields = "[('a', '<f4'), ('b]', '<i8', (2,))]";
        header(fields, false, &[2], &format!("{{'descr': {fields}, 'fortran_order': False, 'shape': (2,)}}"));
    }

    #[test]
    fn anything_else_is_refused() {
        let deep = format!("{{'descr': {}{}", "[".repeat(4000), "]".repeat(3999));
        for text in [
            "",
            "{",
            "{}",
            "('<f4', False, (3,))",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} + 1",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3.5,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': ((3,),)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
            "{'descr': <f4, 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f4\\'', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': {'shape': (3,)}}",
            &format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({})}}", "1,".repeat(65)),
            &deep,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Header::parse(b"\x93NUMPY\x02\0\xff\xff\xff\xff{").unwrap_err().0,
            "a header of at most 10,000 bytes"
        );
        assert_eq!(Header::parse(b"\x93NUMPY\x04\0\x01\0{").unwrap_err().1, "4");
        for cut in 0..10 {
            assert!(Header::parse(&b"\x93NUMPY\x01\0\x05\0"[..cut]).is_err());
        }
    }
}
