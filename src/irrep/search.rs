//! The search for the irreducible characters of a group: what [`CharacterTable`](super::CharacterTable) describes.

use super::constituents::uniform;
use super::linear::LinearCharacters;
use super::range::orthonormalise;
use crate::group::{Elem, Group, GroupExt, Subgroup};
use crate::linalg::{ComplexColumns, Fft, Onto, product, root_of_unity, symmetric_eigen, times};
use ndarray::{Array2, ArrayView1, s};
use num_complex::Complex;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Random class functions tried before giving up; the first has always done.
const ATTEMPTS: u64 = 8;

/// How far a number that must be whole may be from it.
const WHOLE: f64 = 1e-3;

/// How far products of characters may be from 0 and 1.
const ORTHONORMAL: f64 = 1e-8;

/// So few characters are found sooner by an eigenproblem than by inducing.
const FEW: usize = 24;

/// Centralisers in a row that give nothing new before inducing ends.
const MISSES: usize = 8;

/// A character by class.
type Row = Vec<Complex<f64>>;

pub(super) struct Search<'a, G: ?Sized> {
    group: &'a G,
    classes: &'a [Vec<Elem>],
    class_of: &'a [usize],
    inverses: Vec<Elem>,
    /// The class of the identity.
    identity: usize,
    /// The class of the inverses of each class.
    inverse: Vec<usize>,
    /// `sqrt(|C| / n)`
    weights: Vec<f64>,
    /// Cyclic subgroups, the largest first, that cover all classes.
    cyclic: Vec<CyclicSubgroup>,
}

struct CyclicSubgroup {
    generator: Elem,
    /// The classes of g^0, g^1, ...
    classes: Vec<usize>,
    /// `e^(2 pi i t / m)`
    roots: Row,
    transform: Fft<f64>,
}

impl<'a, G: Group + ?Sized> Search<'a, G> {
    pub fn new(group: &'a G, classes: &'a [Vec<Elem>], class_of: &'a [usize]) -> Self {
        let (identity, inverses) = (group.identity(), group.inverses());
        let orders = group.element_orders();
        let order = |c: usize| orders[classes[c][0].index()];
        let mut largest_first: Vec<usize> = (0..classes.len()).collect();
        largest_first.sort_by_key(|&c| std::cmp::Reverse(order(c)));
        let mut covered = vec![false; classes.len()];
        let mut cyclic = Vec::new();
        for c in largest_first {
            if covered[c] {
                continue;
            }
            let (generator, m) = (classes[c][0], order(c));
            let powers = std::iter::successors(Some(identity), |&x| Some(group.compose(x, generator)));
            let classes: Vec<usize> = powers.take(m).map(|x| class_of[x.index()]).collect();
            classes.iter().for_each(|&c| covered[c] = true);
            let roots = (0..m).map(|t| root_of_unity(t, m)).collect();
            cyclic.push(CyclicSubgroup { generator, classes, roots, transform: Fft::new(m) });
        }
        Self {
            identity: class_of[identity.index()],
            inverse: classes.iter().map(|class| class_of[inverses[class[0].index()].index()]).collect(),
            weights: classes.iter().map(|class| (class.len() as f64 / group.order() as f64).sqrt()).collect(),
            group,
            classes,
            class_of,
            inverses,
            cyclic,
        }
    }

    /// The characters, sorted; `None` if they are not found.
    pub fn characters(&self) -> Option<Array2<Complex<f64>>> {
        let k = self.classes.len();
        let mut found = self.linear()?;
        let linear = found.len();
        if found.len() + FEW < k {
            self.induced(&mut found)?;
        }
        if found.len() < k {
            let rest = (0..ATTEMPTS).find_map(|seed| self.rest(&found, seed))?;
            found.extend(rest);
        }
        self.orthonormal(&found, linear).then_some(())?;
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|&a, &b| self.compare(&found[a], &found[b]));
        let distinct = order.windows(2).all(|pair| self.compare(&found[pair[0]], &found[pair[1]]) == Ordering::Less);
        (distinct && found.len() == k).then(|| Array2::from_shape_fn((k, k), |(i, c)| found[order[i]][c]))
    }

    /// The order of the rows: the trivial one, then by dimension, then by value, larger first.
    fn compare(&self, a: &[Complex<f64>], b: &[Complex<f64>]) -> Ordering {
        let ones = |row: &[Complex<f64>]| row.iter().all(|value| (value - 1.0).norm() < WHOLE);
        let dim = |row: &[Complex<f64>]| whole(row[self.identity].re);
        let value = |value: &Complex<f64>| (whole(1e6 * value.re), whole(1e6 * value.im));
        let values = || b.iter().map(value).cmp(a.iter().map(value));
        ones(b).cmp(&ones(a)).then(dim(a).cmp(&dim(b))).then_with(values)
    }

    fn linear(&self) -> Option<Vec<Row>> {
        let elements: Vec<Elem> = self.group.elements().collect();
        let linear = LinearCharacters::of(self.group, &elements, &self.group.generators())?;
        let row = |exponents: ArrayView1<'_, u32>| {
            let mut row = vec![Complex::ZERO; self.classes.len()];
            for cyclic in &self.cyclic {
                let of_generator = exponents[linear.column[cyclic.generator.index()]] as usize * cyclic.classes.len();
                let exponent = of_generator.is_multiple_of(linear.modulus).then_some(of_generator / linear.modulus)?;
                cyclic.fill(&[(exponent, 1.0)], &mut row);
            }
            Some(row)
        };
        linear.exponents.outer_iter().map(row).collect()
    }

    /// Adds irreducible characters that linear characters of centralisers induce.
    fn induced(&self, found: &mut Vec<Row>) -> Option<()> {
        let n = self.group.order();
        let bits = |row: &[Complex<f64>]| -> Vec<u64> {
            row.iter().flat_map(|value| [value.re.to_bits(), value.im.to_bits()]).collect()
        };
        let (mut known, mut tried) = (HashSet::new(), HashSet::new());
        // The sum of the squares of the missing dimensions.
        let mut left = n.checked_sub(found.len())?;
        let mut order: Vec<usize> = (0..self.classes.len()).filter(|&c| self.classes[c].len() > 1).collect();
        order.sort_by_key(|&c| self.classes[c].len());
        let mut misses = 0;
        for c in order {
            let (first, index) = (self.classes[c][0], self.classes[c].len());
            if index * index > left || misses == MISSES {
                break;
            }
            let commutes = |&x: &Elem| self.group.compose(x, first) == self.group.compose(first, x);
            let centraliser: Vec<Elem> = self.group.elements().filter(commutes).collect();
            if !tried.insert(centraliser.clone()) {
                continue;
            }
            let linear = LinearCharacters::of(self.group, &centraliser, &generators(self.group, &centraliser))?;
            let roots: Row = (0..linear.modulus).map(|t| root_of_unity(t, linear.modulus)).collect();
            let before = known.len();
            for exponents in linear.exponents.outer_iter() {
                let mut sums = vec![Complex::ZERO; self.classes.len()];
                for &x in &centraliser {
                    sums[self.class_of[x.index()]] += roots[exponents[linear.column[x.index()]] as usize];
                }
                let mean = |(sum, class): (&Complex<f64>, &Vec<Elem>)| sum * (index as f64 / class.len() as f64);
                let near: Row = sums.iter().zip(self.classes).map(mean).collect();
                let norm: f64 = near.iter().zip(&self.weights).map(|(value, weight)| (value * weight).norm_sqr()).sum();
                if (norm - 1.0).abs() < WHOLE {
                    let row = self.exact(index as f64, &near)?;
                    if known.insert(bits(&row)) {
                        found.push(row);
                        left = left.checked_sub(index * index)?;
                    }
                }
            }
            misses = if known.len() > before { 0 } else { misses + 1 };
        }
        Some(())
    }

    /// The characters that are orthogonal to those found, or `None` if this draw does not tell them apart.
    fn rest(&self, found: &[Row], seed: u64) -> Option<Vec<Row>> {
        let (k, missing) = (self.classes.len(), self.classes.len() - found.len());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let known = self.coordinates(found);
        let mut basis = Array2::from_shape_simple_fn((missing, k), || uniform(&mut rng));
        for _ in 0..2 {
            product(times(basis.view(), known.t()).view(), known.view(), basis.view_mut(), Onto::Minus);
            orthonormalise(basis.view_mut())?;
        }
        let small = times(times(basis.view(), self.convolution(&mut rng).view()).view(), basis.t());
        let (_, vectors) = symmetric_eigen(small.view()).ok()?;
        times(vectors.t(), basis.view())
            .outer_iter()
            .map(|vector| {
                // chi(C) sqrt(|C| / n) up to a factor that makes chi(e) = d, where d v_e = v / sqrt(n).
                let dim = vector[self.identity].abs() / self.weights[self.identity];
                if dim < 0.5 || (dim - dim.round()).abs() > WHOLE {
                    return None;
                }
                let scale = vector[self.identity].signum();
                let value = |c: usize| self.value(vector, c) * (scale / self.weights[c]);
                self.exact(dim.round(), &(0..k).map(value).collect::<Row>())
            })
            .collect()
    }

    /// Characters in an orthonormal basis of the class functions with `f(x^-1)` the conjugate of `f(x)`, where they are real:
    /// (rows, classes). The coordinate of a class is `f sqrt(|C| / n)`; of two inverse ones, sqrt(2) times its real part and
    /// its imaginary part in the first.
    fn coordinates(&self, rows: &[Row]) -> Array2<f64> {
        Array2::from_shape_fn((rows.len(), self.classes.len()), |(i, c)| {
            let weight = self.weights[c];
            match self.inverse[c].cmp(&c) {
                Ordering::Equal => weight * rows[i][c].re,
                Ordering::Greater => weight * SQRT_2 * rows[i][c].re,
                Ordering::Less => weight * SQRT_2 * rows[i][self.inverse[c]].im,
            }
        })
    }

    /// `f sqrt(|C| / n)` of a function with these coordinates.
    fn value(&self, coordinates: ArrayView1<'_, f64>, c: usize) -> Complex<f64> {
        let (here, there) = (coordinates[c], coordinates[self.inverse[c]]);
        match self.inverse[c].cmp(&c) {
            Ordering::Equal => here.into(),
            Ordering::Greater => Complex::new(here, there) * FRAC_1_SQRT_2,
            Ordering::Less => Complex::new(there, -here) * FRAC_1_SQRT_2,
        }
    }

    /// Convolution with a random class function, in those coordinates: real and symmetric.
    fn convolution(&self, rng: &mut ChaCha8Rng) -> Array2<f64> {
        let k = self.classes.len();
        let mut f = vec![Complex::ZERO; k];
        for c in 0..k {
            let value = Complex::new(uniform(rng), uniform(rng));
            match self.inverse[c].cmp(&c) {
                Ordering::Equal => f[c] = value.re.into(),
                Ordering::Greater => (f[c], f[self.inverse[c]]) = (value, value.conj()),
                Ordering::Less => {}
            }
        }
        let mut matrix = Array2::zeros((k, k));
        for (l, class) in self.classes.iter().enumerate().filter(|&(l, _)| self.inverse[l] >= l) {
            // Convolution with f takes the indicator of C_j to the sum over y in C_j of f(z y^-1) at z.
            let at = |y: &Elem| f[self.class_of[self.group.compose(class[0], self.inverses[y.index()]).index()]];
            let sums: Row = (0..k)
                .map(|j| self.classes[j].iter().map(at).sum::<Complex<f64>>() * (self.weights[l] / self.weights[j]))
                .collect();
            for j in 0..k {
                let other = self.inverse[j];
                let value = match other.cmp(&j) {
                    Ordering::Equal => sums[j],
                    Ordering::Greater => (sums[j] + sums[other]) * FRAC_1_SQRT_2,
                    Ordering::Less => (sums[other] - sums[j]) * Complex::I * FRAC_1_SQRT_2,
                };
                if self.inverse[l] == l {
                    matrix[[l, j]] = value.re;
                } else {
                    matrix[[l, j]] = SQRT_2 * value.re;
                    matrix[[self.inverse[l], j]] = SQRT_2 * value.im;
                }
            }
        }
        matrix
    }

    /// The character with these values, nearly: on each cyclic subgroup the multiplicities of the roots of unity are
    /// whole.
    fn exact(&self, dim: f64, near: &[Complex<f64>]) -> Option<Row> {
        let mut exact = vec![Complex::new(f64::NAN, 0.0); near.len()];
        for cyclic in &self.cyclic {
            let multiplicities = cyclic.multiplicities(near)?;
            if multiplicities.iter().map(|&(_, times)| times).sum::<f64>() != dim {
                return None;
            }
            cyclic.fill(&multiplicities, &mut exact);
        }
        Some(exact)
    }

    /// Whether the rows from `first` on are orthonormal, and orthogonal to the ones before.
    fn orthonormal(&self, rows: &[Row], first: usize) -> bool {
        let conjugate = |row: &Row| (0..row.len()).all(|c| (row[self.inverse[c]] - row[c].conj()).norm() < ORTHONORMAL);
        if first == rows.len() || !rows[first..].iter().all(conjugate) {
            return first == rows.len();
        }
        let all = self.coordinates(rows);
        let products = times(all.slice(s![first.., ..]), all.t());
        products.indexed_iter().all(|((i, j), v)| (v - f64::from(u8::from(first + i == j))).abs() < ORTHONORMAL)
    }
}

impl CyclicSubgroup {
    /// How often each root of unity is an eigenvalue of the generator, where that is not 0: exponents and multiplicities.
    fn multiplicities(&self, near: &[Complex<f64>]) -> Option<Vec<(usize, f64)>> {
        let m = self.classes.len();
        // Values at g^j and g^-j are conjugates: the sums over both are real.
        let (mut values, mut scratch) = (ComplexColumns::zeros(m), ComplexColumns::zeros(m));
        for j in 0..=m / 2 {
            let (value, other) = (near[self.classes[j]], (m - j) % m);
            let im = if j == other { 0.0 } else { value.im };
            (values.re[j], values.im[j]) = ([value.re], [im]);
            (values.re[other], values.im[other]) = ([value.re], [-im]);
        }
        self.transform.forward(&mut values, &mut scratch);
        let mut found = Vec::new();
        for (exponent, &[sum]) in values.re.iter().enumerate() {
            let times = (sum / m as f64).round();
            let is_whole = (sum / m as f64 - times).abs() <= WHOLE && times >= 0.0;
            if !is_whole {
                return None;
            }
            if times > 0.0 {
                found.push((exponent, times));
            }
        }
        Some(found)
    }

    /// Writes the values on this subgroup of the character with these multiplicities, in ascending order of exponents.
    fn fill(&self, multiplicities: &[(usize, f64)], row: &mut [Complex<f64>]) {
        let m = self.classes.len();
        let times_of =
            |exponent| multiplicities.binary_search_by_key(&exponent, |&(e, _)| e).map(|i| multiplicities[i].1);
        let real = multiplicities.iter().all(|&(e, times)| times_of((m - e) % m) == Ok(times));
        for (j, &c) in self.classes.iter().enumerate() {
            let value: Complex<f64> = multiplicities.iter().map(|&(e, times)| times * self.roots[e * j % m]).sum();
            row[c] = if real { value.re.into() } else { value };
        }
    }
}

/// A small generating set of a subgroup.
fn generators(group: &(impl Group + ?Sized), elements: &[Elem]) -> Vec<Elem> {
    let mut generators = Vec::new();
    let mut reached = Subgroup::generated(group, &generators);
    for &x in elements {
        if !reached.contains(x) {
            generators.push(x);
            reached = Subgroup::generated(group, &generators);
        }
    }
    generators
}

fn whole(value: f64) -> i64 {
    value.round() as i64
}
