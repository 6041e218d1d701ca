//! Printing the names of groups.

use super::{GroupName, Kernel};
use std::fmt::{self, Display, Formatter};

impl Display for GroupName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cyclic(n) => write!(f, "C{n}"),
            Self::Dihedral(n) => write!(f, "D{n}"),
            Self::Dicyclic(n) if *n > 1 && n.is_power_of_two() => write!(f, "Q{}", 4 * n),
            Self::Dicyclic(n) => write!(f, "Dic{n}"),
            Self::Symmetric(n) => write!(f, "S{n}"),
            Self::Alternating(n) => write!(f, "A{n}"),
            Self::Direct(left, right) => match **left {
                // Direct products are read from the left.
                Self::Direct(..) => write!(f, "{left}x{}", Operand(right)),
                _ => write!(f, "{}x{}", Operand(left), Operand(right)),
            },
            Self::Power(base, k) => match **base {
                Self::Power(..) | Self::Extraspecial { .. } => write!(f, "({base})^{k}"),
                _ => write!(f, "{}^{k}", Operand(base)),
            },
            Self::Semidirect { normal, multiplier: None, acting } => {
                write!(f, "{}:{}", Operand(normal), Operand(acting))
            }
            Self::Semidirect { normal, multiplier: Some(power), acting } => {
                write!(f, "{}:{{{power}}}{}", Operand(normal), Operand(acting))
            }
            Self::Central(left, right) => write!(f, "{}o{}", Operand(left), Operand(right)),
            Self::Wreath(base, top) => write!(f, "{}wr{}", Operand(base), Operand(top)),
            Self::Quotient(of, Kernel::Center) => write!(f, "{}/Z", Operand(of)),
            Self::Quotient(of, Kernel::Closure(rows)) => {
                write!(f, "{}/<", Operand(of))?;
                listed(f, ",", rows, |f, row| write!(f, "#{row}"))?;
                f.write_str(">")
            }
            Self::Holomorph(of) => write!(f, "Hol({of})"),
            Self::Automorphisms(of) => write!(f, "Aut({of})"),
            Self::Matrix(family, n, q) => write!(f, "{}({n},{q})", family.word()),
            Self::Heisenberg(m) => write!(f, "Heis({m})"),
            Self::Extraspecial { p, n, plus } => write!(f, "{p}^(1+{}){}", 2 * n, if *plus { '+' } else { '-' }),
            Self::Presentation(presentation) => write!(f, "{presentation}"),
            Self::Permutations(generators) => {
                f.write_str("perm:")?;
                listed(f, ",", generators, |f, images| cycles(f, images))
            }
            Self::File(kind, path) => write!(f, "{}:\"{}\"", kind.word(), path),
        }
    }
}

/// A name inside another: in parentheses, but for what is one word; a power inside a product needs none.
struct Operand<'a>(&'a GroupName);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            GroupName::Direct(..)
            | GroupName::Semidirect { .. }
            | GroupName::Central(..)
            | GroupName::Wreath(..)
            | GroupName::Quotient(..)
            | GroupName::Permutations(_) => write!(f, "({})", self.0),
            name => write!(f, "{name}"),
        }
    }
}

/// Items between separators.
pub(super) fn listed<T>(
    f: &mut Formatter<'_>,
    separator: &str,
    items: &[T],
    one: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        f.write_str(if i > 0 { separator } else { "" })?;
        one(f, item)?;
    }
    Ok(())
}

/// A permutation as the product of its cycles on points from 1; `()` for the identity.
fn cycles(f: &mut Formatter<'_>, images: &[usize]) -> fmt::Result {
    let mut seen = vec![false; images.len()];
    let mut moved = false;
    for start in 0..images.len() {
        if seen[start] || images[start] == start {
            continue;
        }
        moved = true;
        write!(f, "({}", start + 1)?;
        seen[start] = true;
        let mut point = images[start];
        while !seen[point] {
            seen[point] = true;
            write!(f, " {}", point + 1)?;
            point = images[point];
        }
        f.write_str(")")?;
    }
    if moved { Ok(()) } else { f.write_str("()") }
}
