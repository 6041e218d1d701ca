//! The definitions, in plain loops in double precision.

use irreplens::fourier::{BlockId, CyclicSubgroupBasis, FourierBasis};
use irreplens::group::{Cyclic, Dihedral, Elem, Group, GroupExt};
use irreplens::model::{Evaluation, Interpretable};
use irreplens::task::{Pair, Task};
use ndarray::ArrayView2;
use std::f64::consts::TAU;

/// `f32` activations against sums in `f64`, relative to the largest number of the array.
pub const TOLERANCE: f64 = 2e-5;

/// A group with the basis along one element, and its sectors, rows and blocks worked out again.
pub struct Case {
    pub name: String,
    pub basis: CyclicSubgroupBasis,
    pub task: Task,
    pub n: usize,
    pub m: usize,
    /// Element rows, sector by sector.
    pub sectors: Vec<Vec<usize>>,
    /// Orthonormal rows: constant, cosine 1, sine 1, ...
    pub rows: Vec<Vec<f64>>,
    /// Rows of each block.
    pub blocks: Vec<Vec<usize>>,
    /// For every element its sector and its position there.
    pub place: Vec<(usize, usize)>,
}

impl Case {
    pub fn new(name: String, group: &dyn Group, generator: usize) -> Self {
        let (n, h) = (group.order(), Elem::new(generator));
        let mut sectors: Vec<Vec<usize>> = Vec::new();
        for x in 0..n {
            if sectors.iter().flatten().any(|&y| y == x) {
                continue;
            }
            let mut sector = vec![x];
            loop {
                let next = group.compose(h, Elem::new(sector[sector.len() - 1])).index();
                if next == x {
                    break;
                }
                sector.push(next);
            }
            sectors.push(sector);
        }
        let m = sectors[0].len();
        let mut blocks = vec![vec![0]];
        let mut rows = vec![vec![1.0; m]];
        for k in 1..=m / 2 {
            let wave = |f: fn(f64) -> f64| (0..m).map(|t| f(TAU * k as f64 * t as f64 / m as f64)).collect();
            blocks.push(vec![rows.len()]);
            rows.push(wave(f64::cos));
            if 2 * k < m {
                blocks[k].push(rows.len());
                rows.push(wave(f64::sin));
            }
        }
        for row in &mut rows {
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter_mut().for_each(|v| *v /= norm);
        }
        let mut place = vec![(0, 0); n];
        for (s, sector) in sectors.iter().enumerate() {
            for (t, &x) in sector.iter().enumerate() {
                place[x] = (s, t);
            }
        }
        let basis = CyclicSubgroupBasis::new(group, h);
        Self { name, basis, task: Task::new(group), n, m, sectors, rows, blocks, place }
    }

    /// The ids of some blocks of the basis.
    pub fn ids(&self, blocks: &[usize]) -> Vec<BlockId> {
        blocks.iter().map(|&b| self.basis.block_id(b).unwrap()).collect()
    }

    pub fn cyclic(n: usize) -> Self {
        Self::new(format!("C{n}"), &Cyclic::new(n).unwrap(), 1 % n)
    }

    pub fn dihedral(n: usize) -> Self {
        Self::new(format!("D{n}"), &Dihedral::new(n).unwrap(), 1 % n)
    }

    /// D5 with its rows shuffled: no sector is consecutive, and the identity is row 7.
    pub fn shuffled() -> Self {
        let order = [7, 3, 0, 9, 4, 1, 8, 2, 6, 5];
        let group = Dihedral::new(5).unwrap().cayley_table().relabelled(&order).unwrap();
        Self::new("D5, shuffled".into(), &group, order[1])
    }

    /// S3 along a reflection: the subgroup is not normal, and xy of one region lies in several sectors.
    pub fn not_normal() -> Self {
        Self::new("S3 along a reflection".into(), &Dihedral::new(3).unwrap(), 3)
    }

    /// Cyclic and dihedral of every small parameter, and a shuffled one.
    pub fn all() -> Vec<Self> {
        let both = (1..=8).flat_map(|n| [Self::cyclic(n), Self::dihedral(n)]);
        both.chain([Self::shuffled()]).collect()
    }

    pub fn pairs(&self) -> Vec<Pair> {
        (0..self.n * self.n).map(|i| (Elem::new(i / self.n), Elem::new(i % self.n))).collect()
    }

    pub fn label(&self, x: usize, y: usize) -> usize {
        self.task.labels()[x * self.n + y] as usize
    }

    /// The sector of xy, where it is the same for all x, y of a region.
    pub fn output_sector(&self, sx: usize, sy: usize) -> Option<usize> {
        let sectors = self.sectors[sx].iter().flat_map(|&x| self.sectors[sy].iter().map(move |&y| (x, y)));
        let mut sectors: Vec<usize> = sectors.map(|(x, y)| self.place[self.label(x, y)].0).collect();
        sectors.dedup();
        (sectors.len() == 1).then(|| sectors[0])
    }

    /// 2-D coefficients of a function of pairs, in region (sx, sy).
    pub fn coefficients(&self, sx: usize, sy: usize, f: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
        let mut out = vec![vec![0.0; self.m]; self.m];
        for i in 0..self.m {
            for j in 0..self.m {
                for (a, &x) in self.sectors[sx].iter().enumerate() {
                    for (b, &y) in self.sectors[sy].iter().enumerate() {
                        out[i][j] += self.rows[i][a] * self.rows[j][b] * f(x, y);
                    }
                }
            }
        }
        out
    }

    /// The function of pairs of which only the 2-D terms that `keep(i, j)` says are left.
    pub fn filtered(&self, keep: impl Fn(usize, usize) -> bool, f: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
        let mut out = vec![vec![0.0; self.n]; self.n];
        for sx in 0..self.sectors.len() {
            for sy in 0..self.sectors.len() {
                let terms = self.coefficients(sx, sy, &f);
                for (a, &x) in self.sectors[sx].iter().enumerate() {
                    for (b, &y) in self.sectors[sy].iter().enumerate() {
                        for i in 0..self.m {
                            for j in (0..self.m).filter(|&j| keep(i, j)) {
                                out[x][y] += self.rows[i][a] * self.rows[j][b] * terms[i][j];
                            }
                        }
                    }
                }
            }
        }
        out
    }

    /// Mean loss and accuracy of logits (pairs, n).
    pub fn evaluation(&self, logits: &[Vec<f64>]) -> Evaluation {
        let (mut loss, mut correct) = (0.0, 0);
        for (row, &label) in logits.iter().zip(self.task.labels()) {
            let at = row[label as usize];
            let others = row.iter().enumerate().filter(|&(z, _)| z != label as usize);
            loss += others.map(|(_, l)| (l - at).exp()).sum::<f64>().ln_1p();
            let first = (0..row.len()).fold(0, |b, z| if row[z] > row[b] { z } else { b });
            correct += usize::from(first == label as usize);
        }
        let count = (self.n * self.n) as f64;
        Evaluation::new(loss / count, correct as f64 / count)
    }
}

/// Activations of a site at all pairs, row-major.
pub fn values(model: &(impl Interpretable + ?Sized), case: &Case, site: &str) -> Vec<Vec<f64>> {
    let kept = model.run_with_cache(&case.pairs(), &[site]).unwrap().take(site).unwrap();
    rows(kept.view())
}

pub fn rows(matrix: ArrayView2<'_, f32>) -> Vec<Vec<f64>> {
    matrix.outer_iter().map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect()
}

/// Asserts that two lists of numbers agree within [`TOLERANCE`] of the largest expected one.
#[track_caller]
pub fn near(what: &str, got: impl IntoIterator<Item = f64>, want: impl IntoIterator<Item = f64>) {
    let (got, want): (Vec<f64>, Vec<f64>) = (got.into_iter().collect(), want.into_iter().collect());
    near_of(what, &got, &want, want.iter().fold(0.0, |m, v| m.max(v.abs())));
}

/// Asserts that two lists of numbers agree within [`TOLERANCE`] of `scale`; NaN agrees with NaN.
#[track_caller]
pub fn near_of(what: &str, got: &[f64], want: &[f64], scale: f64) {
    assert_eq!(got.len(), want.len(), "{what}: number of entries");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let off = (got - want).abs();
        let agree = off <= TOLERANCE * scale + 1e-12 || got.is_nan() && want.is_nan();
        assert!(agree, "{what}: entry {i}: expected {want}, got {got}");
    }
}

/// Asserts that losses agree and that accuracies are equal.
#[track_caller]
pub fn same(what: &str, got: Evaluation, want: Evaluation) {
    near(&format!("{what}: loss"), [got.loss], [want.loss]);
    assert_eq!(got.accuracy, want.accuracy, "{what}: accuracy");
}

/// Logits less each pair's mean over the classes.
pub fn less_mean(mut logits: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for row in &mut logits {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        row.iter_mut().for_each(|l| *l -= mean);
    }
    logits
}
