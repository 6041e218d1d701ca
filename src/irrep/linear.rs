//! Linear characters: the homomorphisms of a subgroup to the roots of unity, in whole numbers.

use crate::arithmetic::lcm;
use crate::group::{Elem, Group, GroupExt, Subgroup};
use ndarray::Array2;

/// All linear characters of a subgroup H: character i is `e^(2 pi i t / modulus)` at x with `t = exponents[i, column[x]]`.
pub(super) struct LinearCharacters {
    pub modulus: usize,
    /// (characters, cosets of the derived subgroup of H)
    pub exponents: Array2<u32>,
    /// The coset of every element of H by its row in the group; of no meaning for others.
    pub column: Vec<usize>,
}

impl LinearCharacters {
    /// The linear characters of the subgroup with these elements and generators; `None` if the product breaks the group laws.
    ///
    /// Linear characters are those of the quotient Q by the derived subgroup, which is abelian. From a subgroup of Q with the
    /// characters t to the one that an element s generates with it, each extends in as many ways as the index m: `s^m` lies in
    /// the subgroup, and t(s) is one of the m solutions of `m t(s) = t(s^m)`. That they are homomorphisms is checked at the
    /// end, on every element times every generator.
    ///
    /// Cost: O(|H| log |H|) products and O(|Q|^2 log |Q|) additions.
    pub fn of(group: &(impl Group + ?Sized), elements: &[Elem], generators: &[Elem]) -> Option<Self> {
        let derived = derived(group, generators);
        let identity = group.identity();
        const NONE: usize = usize::MAX;
        let mut coset = vec![NONE; group.order()];
        let mut cosets = 0;
        for &x in elements {
            if coset[x.index()] == NONE {
                derived.elements().iter().for_each(|&d| coset[group.compose(x, d).index()] = cosets);
                cosets += 1;
            }
        }
        let of = |x: Elem| coset[x.index()];
        let mut modulus = 1;
        for &s in generators {
            let (mut order, mut power) = (1, s);
            while of(power) != of(identity) {
                (order, power) = (order + 1, group.compose(power, s));
            }
            modulus = lcm(modulus, order);
        }
        // A column for each coset reached, with an element of it.
        let mut place = vec![NONE; cosets];
        place[of(identity)] = 0;
        let mut reached = vec![identity];
        let mut exponents = Array2::<u32>::zeros((1, 1));
        for &s in generators {
            if place[of(s)] != NONE {
                continue;
            }
            let (before, columns) = (exponents, reached.len());
            let (mut m, mut power) = (1, s);
            while place[of(power)] == NONE {
                for r in 0..columns {
                    let x = group.compose(reached[r], power);
                    place[of(x)] = reached.len();
                    reached.push(x);
                }
                (m, power) = (m + 1, group.compose(power, s));
            }
            let known = place[of(power)];
            let divisible = |t: &u32| (*t as usize).is_multiple_of(m);
            if known >= columns || !modulus.is_multiple_of(m) || !before.column(known).iter().all(divisible) {
                return None;
            }
            exponents = Array2::from_shape_fn((before.nrows() * m, reached.len()), |(i, j)| {
                let (i, choice, j, power) = (i / m, i % m, j % columns, j / columns);
                let of_s = before[[i, known]] as usize / m + choice * (modulus / m);
                ((before[[i, j]] as usize + power * of_s) % modulus) as u32
            });
        }
        if exponents.ncols() != cosets {
            return None;
        }
        let column: Vec<usize> = coset.iter().map(|&c| if c == NONE { NONE } else { place[c] }).collect();
        let found = Self { modulus, exponents, column };
        found.are_homomorphisms(group, elements, generators).then_some(found)
    }

    fn are_homomorphisms(&self, group: &(impl Group + ?Sized), elements: &[Elem], generators: &[Elem]) -> bool {
        let column = |x: Elem| self.column[x.index()];
        let triple = |x: Elem, s: Elem| [column(x), column(s), column(group.compose(x, s))];
        let mut triples: Vec<[usize; 3]> =
            elements.iter().flat_map(|&x| generators.iter().map(move |&s| triple(x, s))).collect();
        triples.sort_unstable();
        triples.dedup();
        let modulus = self.modulus as u32;
        self.exponents.outer_iter().all(|t| triples.iter().all(|&[x, s, xs]| (t[x] + t[s]) % modulus == t[xs]))
    }
}

/// The smallest normal subgroup of `<generators>` that has all commutators of the generators.
fn derived(group: &(impl Group + ?Sized), generators: &[Elem]) -> Subgroup {
    let commutator = |x: Elem, y: Elem| group.compose(group.conjugate(y, x), group.inverse(y));
    let commutators = generators.iter().flat_map(|&x| generators.iter().map(move |&y| commutator(x, y)));
    Subgroup::normal_closure(group, commutators, generators)
}
