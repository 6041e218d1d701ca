//! Finite fields.

use crate::arithmetic;

/// The field of q = p^e elements, each the number whose digits to the base p are the coefficients of a polynomial, modulo the
/// least irreducible one of degree e: that which is the least number when read in the same way.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub p: usize,
    pub e: usize,
    pub q: usize,
    /// The powers of the least element that generates the units, from the 0th on.
    pub powers: Vec<usize>,
    /// The exponent of each unit.
    logarithms: Vec<usize>,
}

/// Elements of a field, at most: with more, no family has a group of an order that can be built.
pub(super) const MAX_FIELD: usize = 10_081;

/// (p, e) with q = p^e, where a field of q elements is not too large.
pub(super) fn prime_power(q: usize) -> Option<(usize, usize)> {
    arithmetic::prime_power(q).filter(|_| q <= MAX_FIELD)
}

impl Field {
    /// The field of q elements, if there is one. Costs some O(q) products.
    pub fn new(q: usize) -> Option<Self> {
        let (p, e) = prime_power(q)?;
        let modulus = (q..2 * q).find(|&f| is_irreducible(f, p, e))?;
        for generator in 1..q {
            let mut powers = vec![1];
            loop {
                let next = multiply(powers[powers.len() - 1], generator, modulus, p, e);
                if next == 1 {
                    break;
                }
                powers.push(next);
            }
            if powers.len() == q - 1 {
                let mut logarithms = vec![0; q];
                (0..).zip(&powers).for_each(|(k, &power)| logarithms[power] = k);
                return Some(Self { p, e, q, powers, logarithms });
            }
        }
        None
    }

    pub fn add(&self, a: usize, b: usize) -> usize {
        if self.e == 1 { (a + b) % self.p } else { combine(a, b, self.p, |a, b| a + b) }
    }

    pub fn subtract(&self, a: usize, b: usize) -> usize {
        combine(a, b, self.p, |a, b| a + self.p - b)
    }

    pub fn multiply(&self, a: usize, b: usize) -> usize {
        if a == 0 || b == 0 {
            return 0;
        }
        self.powers[(self.logarithms[a] + self.logarithms[b]) % (self.q - 1)]
    }

    /// 1/a for a that is not 0.
    pub fn inverse(&self, a: usize) -> usize {
        self.powers[(self.q - 1 - self.logarithms[a]) % (self.q - 1)]
    }

    /// a to the power of p^k.
    pub fn frobenius(&self, a: usize, k: usize) -> usize {
        (0..k).fold(a, |a, _| if a == 0 { 0 } else { self.powers[self.logarithms[a] * self.p % (self.q - 1)] })
    }
}

/// Digit by digit to the base p.
fn combine(mut a: usize, mut b: usize, p: usize, digit: impl Fn(usize, usize) -> usize) -> usize {
    let (mut result, mut place) = (0, 1);
    while a > 0 || b > 0 {
        result += digit(a % p, b % p) % p * place;
        (a, b, place) = (a / p, b / p, place * p);
    }
    result
}

/// The product of two polynomials modulo a monic one of degree e.
fn multiply(a: usize, b: usize, modulus: usize, p: usize, e: usize) -> usize {
    let q = p.pow(e as u32);
    let mut result = 0;
    // Horner's rule over the digits of b, the highest first.
    for place in (0..e).rev() {
        result = reduce(result * p, modulus, p, q);
        let digit = b / p.pow(place as u32) % p;
        result = combine(result, a, p, |x, y| x + digit * y);
    }
    result
}

/// A polynomial of degree at most e modulo a monic one of degree e.
fn reduce(a: usize, modulus: usize, p: usize, q: usize) -> usize {
    let top = a / q;
    combine(a, modulus, p, |x, y| x + (p - top) * y)
}

/// Whether no monic polynomial of degree 1 to e / 2 divides this one of degree e.
fn is_irreducible(f: usize, p: usize, e: usize) -> bool {
    let divides = |d: usize, degree: usize| {
        let mut rest = f;
        for shift in (0..=e - degree).rev() {
            let place = p.pow(shift as u32);
            let top = rest / (p.pow(degree as u32) * place);
            rest = combine(rest, d * place, p, |x, y| x + (p - top) * y);
        }
        rest == 0
    };
    (1..=e / 2).all(|degree| {
        let first = p.pow(degree as u32);
        !(first..2 * first).any(|d| divides(d, degree))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_laws_hold() {
        for q in [2, 3, 4, 5, 7, 8, 9, 16, 25, 27, 49] {
            let field = Field::new(q).unwrap();
            for a in 0..q {
                assert_eq!(field.subtract(field.add(a, 1), 1), a);
                assert!(a == 0 || field.multiply(a, field.inverse(a)) == 1);
                assert_eq!(field.frobenius(a, field.e), a);
                for b in 0..q {
                    assert_eq!(
                        field.frobenius(field.add(a, b), 1),
                        field.add(field.frobenius(a, 1), field.frobenius(b, 1))
                    );
                    for c in 0..q.min(9) {
                        let (left, right) =
                            (field.multiply(a, field.add(b, c)), field.add(field.multiply(a, b), field.multiply(a, c)));
                        assert_eq!(left, right, "{q}: {a} ({b} + {c})");
                        assert_eq!(field.multiply(field.multiply(a, b), c), field.multiply(a, field.multiply(b, c)));
                    }
                }
            }
        }
        assert!([0, 1, 6, 12, 100, 10_082].iter().all(|&q| Field::new(q).is_none()));
    }
}
