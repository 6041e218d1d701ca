//! A certificate's file, read on its own: the digest of its bytes, its JSON, and whether every number in it has its place.

use serde::Deserialize;
use std::path::Path;

/// What a certificate's first line begins with; the digest of all that follows that line ends it.
const FIRST: &str = "irreplens certificate 1 ";

/// A matrix as `ndarray` writes it: row-major.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grid {
    v: u8,
    dim: [usize; 2],
    data: Vec<f64>,
}

impl Grid {
    /// Rows and columns.
    pub fn dim(&self) -> [usize; 2] {
        self.dim
    }

    /// A row.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.dim[1]..(i + 1) * self.dim[1]]
    }

    /// All entries, row-major.
    pub fn data(&self) -> &[f64] {
        &self.data
    }

    /// Whether it is a matrix with so many columns, all of them finite.
    fn check(&self, what: &str, columns: usize) -> Result<(), String> {
        if self.v != 1 {
            return Err(format!("expected {what} as an array of version 1, got version {}", self.v));
        }
        let [rows, got] = self.dim;
        if got != columns || rows.checked_mul(columns) != Some(self.data.len()) {
            let numbers = self.data.len();
            return Err(format!("expected {what} in {columns} columns, got {numbers} numbers as {rows} x {got}"));
        }
        finite(what, &self.data)
    }
}

/// A function of one element that has one value on every class of a partition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Classes {
    pub class_of: Vec<u32>,
    pub values: Vec<f64>,
}

impl Classes {
    /// The value at an element.
    pub fn at(&self, x: usize) -> f64 {
        self.values[self.class_of[x] as usize]
    }

    fn check(&self, what: &str, n: usize) -> Result<(), String> {
        if self.class_of.len() != n {
            return Err(format!("expected {what} with a class for {n} elements, got {}", self.class_of.len()));
        }
        let classes = self.values.len();
        match self.class_of.iter().find(|class| **class as usize >= classes) {
            Some(class) => Err(format!("expected {what} with a class below {classes}, got class {class}")),
            None => finite(what, &self.values),
        }
    }
}

/// What a neuron writes along some functions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Along {
    pub functions: usize,
    pub coefficients: Vec<f64>,
}

/// How a neuron is taken into account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Part {
    Read { left: Classes, right: Classes },
    Written(Vec<Along>),
    Exact,
    Bounded,
}

/// By what a certificate says that it proves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    Explanation,
    Cosets,
    BruteForce,
}

/// All that a certificate says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub group: String,
    pub group_fingerprint: String,
    pub weights: String,
    pub by: By,
    pub neurons: Vec<Part>,
    pub functions: Vec<Grid>,
    pub margins: Grid,
    pub single_error: f64,
    /// What the proof cost its maker: a number that is told and not checked.
    pub operations: u64,
    /// What running every pair would have cost: a number that is told and not checked.
    pub brute_force: u64,
}

impl Certificate {
    /// Reads a file whose bytes are all those that its digest is of.
    ///
    /// # Errors
    /// What is wrong with it, without its name.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("expected a first line, got no end of it")?;
        let (first, rest) = (&bytes[..end], &bytes[end + 1..]);
        let digest = first.strip_prefix(FIRST.as_bytes()).ok_or_else(|| {
            let got = String::from_utf8_lossy(&first[..first.len().min(60)]).into_owned();
            format!("expected `{}DIGEST` as the first line, got `{}`", FIRST, got.escape_debug())
        })?;
        let body = rest.strip_suffix(b"\n").ok_or("expected a last line that ends, got none")?;
        let got = fnv(body.iter().copied());
        if digest != got.as_bytes() {
            let expected = String::from_utf8_lossy(&digest[..digest.len().min(60)]).into_owned();
            return Err(format!("expected bytes with the digest `{}`, got {got}", expected.escape_debug()));
        }
        serde_json::from_slice(body).map_err(|error| format!("expected the JSON of a certificate, got: {error}"))
    }

    /// Whether every number has its place, for a network of `width` neurons on `n` elements.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, n: usize, width: usize) -> Result<(), String> {
        self.margins.check("margins", n)?;
        if self.margins.dim[0] != n {
            return Err(format!("expected margins in {n} rows, got {}", self.margins.dim[0]));
        }
        if !(self.single_error.is_finite() && self.single_error >= 0.0) {
            return Err(format!("expected an error of f32 from 0 up, got {}", self.single_error));
        }
        if self.neurons.len() != width {
            return Err(format!("expected {width} neurons, got {}", self.neurons.len()));
        }
        for (place, functions) in self.functions.iter().enumerate() {
            functions.check(&format!("functions {place}"), n)?;
        }
        self.neurons.iter().enumerate().try_for_each(|(k, part)| self.check_part(k, part, n))
    }

    fn check_part(&self, k: usize, part: &Part, n: usize) -> Result<(), String> {
        let fits = match self.by {
            By::Explanation => true,
            By::Cosets => matches!(part, Part::Read { .. } | Part::Bounded),
            By::BruteForce => matches!(part, Part::Exact),
        };
        if !fits {
            return Err(format!("expected neurons by {} alone, got another way for neuron {k}", self.by.name()));
        }
        match part {
            Part::Read { left, right } => {
                left.check(&format!("the left map of neuron {k}"), n)?;
                right.check(&format!("the right map of neuron {k}"), n)
            }
            Part::Written(along) => along.iter().try_for_each(|along| self.check_along(k, along)),
            Part::Exact | Part::Bounded => Ok(()),
        }
    }

    fn check_along(&self, k: usize, along: &Along) -> Result<(), String> {
        let place = along.functions;
        let Some(functions) = self.functions.get(place) else {
            let count = self.functions.len();
            return Err(format!("expected functions below {count} for neuron {k}, got functions {place}"));
        };
        let (expected, got) = (functions.dim[0], along.coefficients.len());
        if expected != got {
            return Err(format!("expected {expected} coefficients of neuron {k} along functions {place}, got {got}"));
        }
        finite(&format!("coefficients of neuron {k}"), &along.coefficients)
    }
}

impl By {
    /// What the proof goes by, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Explanation => "the explanation",
            Self::Cosets => "cosets alone",
            Self::BruteForce => "running every pair",
        }
    }
}

fn finite(what: &str, values: &[f64]) -> Result<(), String> {
    match values.iter().find(|v| !v.is_finite()) {
        Some(v) => Err(format!("expected {what} of finite numbers, got {v}")),
        None => Ok(()),
    }
}

/// The FNV-1a hash of some bytes, 128 bits, in hexadecimal digits: from the offset basis, for each byte exclusive or with it and
/// a product with the prime 2^88 + 2^8 + 0x3b.
pub(super) fn fnv(bytes: impl IntoIterator<Item = u8>) -> String {
    let prime = (1u128 << 88) + (1 << 8) + 0x3b;
    let mut hash = 144_066_263_297_769_815_596_495_629_667_062_367_629_u128;
    for byte in bytes {
        hash = (hash ^ u128::from(byte)).wrapping_mul(prime);
    }
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::fnv;

    /// Published test vectors of FNV-1a with 128 bits.
    #[test]
    fn digests() {
        assert_eq!(fnv(*b""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(fnv(*b"a"), "d228cb696f1a8caf78912b704e4a8964");
        assert_eq!(fnv(*b"foobar"), "343e1662793c64bf6f0d3597ba446f18");
    }
}
