//! The proof: what the explanation makes cheap to add up, what it leaves, and the bound on rounding.

use super::enclosed::{Layer, UNIT, gamma, largest, neuron};
use super::tables::{Merges, Partition};
use super::{Along, Method, OnClasses};
use crate::linalg::{Onto, fold_blocks, map_blocks, product, times};
use crate::model::Activation;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// What a bound is multiplied with, so that the rounding of the bound itself does not make it too small.
const SAFE: f64 = 1.0 + 1e-6;

/// More than all results below the normal range of `f64` in a proof add up to.
const TINY: f64 = 1e-280;

/// Segments that means over pairs are added up in.
const SEGMENTS: usize = 16;

/// Most bytes of the tables of two partitions that are kept for all their classes.
const KEPT: usize = 1 << 26;

impl OnClasses {
    fn at(&self, x: usize) -> f64 {
        self.values[self.class_of[x] as usize]
    }

    fn partition(&self) -> Partition {
        Partition { class_of: self.class_of.clone(), classes: self.values.len() }
    }
}

/// Neurons that read the same two partitions.
struct Readers {
    /// The partition of x, by its place, and that of y.
    left: usize,
    right: Partition,
    members: Vec<usize>,
    /// What they write for every class of y, (classes of y, classes of x, n), where it is kept.
    table: Option<Vec<f64>>,
}

pub(super) struct Proof<'a> {
    layer: &'a Layer,
    parts: &'a [Method],
    labels: &'a [u32],
    n: usize,
    /// Partitions of x that neurons read, and how their tables are added up.
    lefts: Vec<Partition>,
    merges: Merges,
    readers: Vec<Readers>,
    /// Functions of the irreps that neurons write in, (rank, n), with the neurons and their coefficients (members, rank).
    written: Vec<(&'a Array2<f64>, Vec<usize>, Array2<f64>)>,
    exact: Vec<usize>,
    /// By x and neuron, the place of its value among the tables of all neurons, one after the other: (n, width).
    places: Array2<u32>,
    /// By neuron, what its remainder is written along: (width, n), and how far it may be from the true one.
    along: Array2<f64>,
    along_error: Array1<f64>,
    /// By neuron, its size in the sums of the proof, its remainder's row apart: `sum over r of |C| max |B|`, or the largest U.
    along_cheap: Array1<f64>,
    /// A margin is refined until it is above this: what a forward pass in `f32` may be off for two logits.
    wanted: f64,
}

impl<'a> Proof<'a> {
    pub fn new(layer: &'a Layer, parts: &'a [Method], functions: &'a [Array2<f64>], labels: &'a [u32]) -> Self {
        let n = layer.unembedding.ncols();
        let width = parts.len();
        let mut lefts: Vec<Partition> = Vec::new();
        let mut readers: Vec<Readers> = Vec::new();
        let mut members: Vec<(Vec<usize>, Vec<f64>)> = vec![Default::default(); functions.len()];
        for (k, part) in parts.iter().enumerate() {
            match part {
                Method::Read { left, right } => {
                    let (left, right) = (left.partition(), right.partition());
                    let place = lefts.iter().position(|known| *known == left).unwrap_or_else(|| {
                        lefts.push(left);
                        lefts.len() - 1
                    });
                    match readers.iter_mut().find(|of| of.left == place && of.right == right) {
                        Some(found) => found.members.push(k),
                        None => readers.push(Readers { left: place, right, members: vec![k], table: None }),
                    }
                }
                Method::Written(along) => {
                    for Along { functions, coefficients } in along {
                        members[*functions].0.push(k);
                        members[*functions].1.extend(coefficients);
                    }
                }
                Method::Exact | Method::Bounded => {}
            }
        }
        let mut along = layer.unembedding.clone();
        let mut along_error = Array1::zeros(width);
        let mut along_cheap: Array1<f64> = layer.unembedding.rows().into_iter().map(largest).collect();
        let joined = |(functions, (members, coefficients)): (&'a Array2<f64>, (Vec<usize>, Vec<f64>))| {
            let shape = (members.len(), functions.nrows());
            let coefficients = Array2::from_shape_vec(shape, coefficients).expect("a coefficient for every function");
            (functions, members, coefficients)
        };
        let written: Vec<_> = functions.iter().zip(members).map(joined).collect();
        let mut cheap = vec![0.0; width];
        for (functions, members, coefficients) in &written {
            let sizes: Array1<f64> = functions.rows().into_iter().map(largest).collect();
            let taken = times(coefficients.view(), functions.view());
            for ((&k, taken), coefficients) in members.iter().zip(taken.rows()).zip(coefficients.rows()) {
                let mut row = along.row_mut(k);
                row -= &taken;
                cheap[k] += coefficients.mapv(f64::abs).dot(&sizes) * SAFE;
            }
        }
        let rank: usize = written.iter().map(|(functions, ..)| functions.nrows()).sum();
        for k in 0..width {
            if let Method::Written(_) = &parts[k] {
                along_error[k] = gamma(rank + 4, UNIT) * (along_cheap[k] + cheap[k]) * SAFE;
                along_cheap[k] = cheap[k];
            }
        }
        let exact = (0..width).filter(|&k| matches!(parts[k], Method::Exact)).collect();
        let mut places = Array2::zeros((n, width));
        let mut first = 0;
        for (k, part) in parts.iter().enumerate() {
            let Method::Read { left, .. } = part else {
                places.column_mut(k).fill(first);
                first += 1;
                continue;
            };
            places.column_mut(k).iter_mut().zip(&left.class_of).for_each(|(place, class)| *place = first + class);
            first += left.values.len() as u32;
        }
        let merges = Merges::new(&lefts, n);
        let wanted = 2.0 * layer.single_error();
        let mut proof = Self {
            layer,
            parts,
            labels,
            n,
            lefts,
            merges,
            readers,
            written,
            exact,
            places,
            along,
            along_error,
            along_cheap,
            wanted,
        };
        proof.keep_tables();
        proof
    }

    /// The two functions on classes that a reader reads.
    fn read_by(&self, k: usize) -> [&OnClasses; 2] {
        match &self.parts[k] {
            Method::Read { left, right } => [left, right],
            _ => unreachable!("readers are read"),
        }
    }

    /// A neuron's activation by its table, for values of both.
    fn idealised(&self, left: f64, right: f64) -> f64 {
        neuron(self.layer.is_product, self.layer.function, left, right)
    }

    /// The tables of readers of the same two partitions, where there are several and they fit.
    fn keep_tables(&mut self) {
        let tables: Vec<Option<Vec<f64>>> = self
            .readers
            .iter()
            .map(|readers| {
                let (p, q) = (self.lefts[readers.left].classes, readers.right.classes);
                let fits = 8 * p * q * self.n <= KEPT && readers.members.len() > 1;
                fits.then(|| {
                    let activations = Array2::from_shape_fn((q * p, readers.members.len()), |(row, i)| {
                        let [left, right] = self.read_by(readers.members[i]);
                        self.idealised(left.values[row % p], right.values[row / p])
                    });
                    let rows = self.layer.unembedding.select(Axis(0), &readers.members);
                    times(activations.view(), rows.view()).into_raw_vec_and_offset().0
                })
            })
            .collect();
        self.readers.iter_mut().zip(tables).for_each(|(readers, table)| readers.table = table);
    }

    /// What readers write at all x, for one y: by class of the merged partition, (classes, n).
    fn read(&self, y: usize) -> Vec<f64> {
        let n = self.n;
        let mut tables: Vec<Vec<f64>> = self.lefts.iter().map(|left| vec![0.0; left.classes * n]).collect();
        for readers in &self.readers {
            let to = &mut tables[readers.left];
            let p = self.lefts[readers.left].classes;
            match &readers.table {
                Some(kept) => {
                    let class = readers.right.class_of[y] as usize;
                    let kept = &kept[class * p * n..(class + 1) * p * n];
                    to.iter_mut().zip(kept).for_each(|(to, from)| *to += from);
                }
                None => {
                    let activations = Array2::from_shape_fn((p, readers.members.len()), |(class, i)| {
                        let [left, right] = self.read_by(readers.members[i]);
                        self.idealised(left.values[class], right.at(y))
                    });
                    let rows = self.layer.unembedding.select(Axis(0), &readers.members);
                    let mut to = ndarray::ArrayViewMut2::from_shape((p, n), to).expect("a row a class");
                    product(activations.view(), rows.view(), to.view_mut(), Onto::Plus);
                }
            }
        }
        self.merges.sum(tables, n)
    }

    /// Operations of `read`, for all y.
    fn read_operations(&self) -> u64 {
        let n = self.n as u64;
        let of = |readers: &Readers| {
            let (p, q) = (self.lefts[readers.left].classes as u64, readers.right.classes as u64);
            let d = readers.members.len() as u64;
            // An activation counts as one.
            match readers.table {
                Some(_) => p * q * d * (n + 1) + n * p * n,
                None => n * p * d * (n + 1),
            }
        };
        self.readers.iter().map(of).sum::<u64>() + n * self.merges.additions(self.n)
    }

    /// Neurons less what the cheap sums have of them, at all x for one y: (n, width), with the neurons themselves.
    fn remainders(&self, y: usize) -> (Array2<f64>, Array2<f64>) {
        let right = self.layer.right.values.row(y);
        let mut hidden = self.layer.left.values.clone();
        for mut row in hidden.rows_mut() {
            row.zip_mut_with(&right, |left, &right| *left = self.layer.neuron(*left, right));
        }
        // Neuron after neuron the values of its table for this y; one 0 for a neuron without one.
        let mut tables = Vec::new();
        for part in self.parts {
            match part {
                Method::Read { left, right } => {
                    let right = right.at(y);
                    tables.extend(left.values.iter().map(|&left| self.idealised(left, right)));
                }
                _ => tables.push(0.0),
            }
        }
        let mut off = hidden.clone();
        for (mut row, places) in off.rows_mut().into_iter().zip(self.places.rows()) {
            row.iter_mut().zip(places).for_each(|(off, &place)| *off -= tables[place as usize]);
        }
        for &k in &self.exact {
            off.column_mut(k).fill(0.0);
        }
        (hidden, off)
    }

    /// By neuron the largest differences of its remainder's row from its entry at every class: (n, width).
    fn differences(&self) -> Array2<f64> {
        let mut differences = Array2::zeros((self.n, self.parts.len()));
        for (row, mut to) in self.along.rows().into_iter().zip(differences.columns_mut()) {
            let (least, most) = row.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
            to.iter_mut().zip(row).for_each(|(to, &v)| *to = (v - least).max(most - v));
        }
        differences
    }

    /// Lower bounds on all margins, and the operations they took.
    pub fn margins(&self) -> (Array2<f64>, u64) {
        let differences = self.differences();
        let lipschitz = !self.layer.is_product && self.layer.function != Activation::Square;
        let tables_alone = self.parts.iter().all(|part| matches!(part, Method::Read { .. } | Method::Bounded));
        let n = self.n as u64;
        let maps = self.layer.operations;
        if tables_alone && self.parts.iter().any(|part| matches!(part, Method::Read { .. })) && lipschitz {
            let (margins, fine) = self.by_distance(&differences);
            let operations = self.read_operations() + n * n * n + fine * 2 * self.parts.len() as u64;
            let open = |y: &usize| margins.column(*y).iter().any(|margin| *margin <= self.wanted);
            let open: Vec<usize> = (0..self.n).filter(open).collect();
            if open.is_empty() {
                return (margins, maps + operations);
            }
            let (finer, more) = self.by_remainders(&differences, &open);
            let mut margins = margins;
            margins.zip_mut_with(&finer, |margin, finer| *margin = margin.max(*finer));
            return (margins, maps + operations + more);
        }
        let every: Vec<usize> = (0..self.n).collect();
        let (margins, operations) = self.by_remainders(&differences, &every);
        (margins, maps + operations)
    }

    /// Margins of tables alone, remainders bounded by how far the maps are from the tables' functions, and the number of pairs at
    /// which that was done neuron by neuron.
    fn by_distance(&self, differences: &Array2<f64>) -> (Array2<f64>, u64) {
        let (n, width) = (self.n, self.parts.len());
        let far = |map: &Array2<f64>, side: usize| {
            Array2::from_shape_fn((n, width), |(x, k)| match &self.parts[k] {
                Method::Read { left, right } => (map[[x, k]] - if side == 0 { left.at(x) } else { right.at(x) }).abs(),
                _ => 0.0,
            })
        };
        let (of_left, of_right) = (far(&self.layer.left.values, 0), far(&self.layer.right.values, 1));
        // At the class that is worst for each neuron, first.
        let worst = differences.fold_axis(Axis(0), 0.0, |most: &f64, v| most.max(*v));
        let (by_left, by_right) = (of_left.dot(&worst), of_right.dot(&worst));
        let rows = |map: &Array2<f64>, k: usize| map.column(k).iter().copied().fold(f64::MIN, f64::max);
        let mut rounding = 0.0;
        let mut bounded = Array1::<f64>::zeros(n);
        let mut size = largest(&self.layer.offset);
        for (k, part) in self.parts.iter().enumerate() {
            let own = self.layer.left.largest[k] + self.layer.right.largest[k];
            match part {
                Method::Read { left, right } => {
                    let values = largest(&left.values) + largest(&right.values);
                    let error = self.layer.left.exact[k] + self.layer.right.exact[k] + 8.0 * UNIT * (own + values);
                    rounding += 2.0 * error * self.along_cheap[k];
                    size += values * self.along_cheap[k];
                }
                _ => {
                    // At its largest, if it is ever on.
                    let most = rows(&self.layer.left.values, k) + rows(&self.layer.right.values, k);
                    let most = if self.layer.function == Activation::Relu { most.max(0.0) } else { own };
                    bounded.scaled_add(most + self.layer.exact[k], &differences.column(k));
                }
            }
        }
        let summed = gamma(2 * width + 16, UNIT) * size;
        let rounding = (2.0 * (summed + self.layer.offset_error) + rounding) * SAFE + TINY;
        let columns = map_blocks(n, 1, |range| {
            let y = range.start;
            let read = self.read(y);
            let of_x = |x: usize| {
                let class = self.merges.whole.class_of[x] as usize;
                let (p, row) = (self.labels[x * n + y] as usize, &read[class * n..(class + 1) * n]);
                let offset = &self.layer.offset;
                let next = (0..n).filter(|&z| z != p).map(|z| row[z] + offset[z]).fold(f64::NEG_INFINITY, f64::max);
                let margin = |bound: f64| row[p] + offset[p] - next - (bound + bounded[p]) * SAFE - rounding;
                let coarse = margin(by_left[x] + by_right[y]);
                if n == 1 || coarse > self.wanted {
                    return (if n == 1 { f64::MAX } else { coarse }, 0);
                }
                let far = of_left.row(x).dot(&differences.row(p)) + of_right.row(y).dot(&differences.row(p));
                (margin(far), 1)
            };
            (0..n).map(of_x).unzip::<f64, u64, Vec<f64>, Vec<u64>>()
        });
        let fine = columns.iter().flat_map(|(_, fine)| fine).sum();
        let columns: Vec<Array1<f64>> = columns.into_iter().map(|(margins, _)| margins.into()).collect();
        (by_columns(n, 0..n, &columns), fine)
    }

    /// Margins with the remainders of all neurons, less what they have of a function of x and one of y, for these y.
    fn by_remainders(&self, differences: &Array2<f64>, ys: &[usize]) -> (Array2<f64>, u64) {
        let (n, width) = (self.n, self.parts.len());
        // Means of the remainders over y and over x.
        let blocks = fold_blocks(
            n,
            1,
            SEGMENTS,
            || (Array2::<f64>::zeros((n, width)), Vec::new()),
            |(of_x, of_y), range| {
                let (_, off) = self.remainders(range.start);
                of_y.push(off.sum_axis(Axis(0)) / n as f64);
                *of_x += &off;
            },
        );
        let mut of_x = Array2::<f64>::zeros((n, width));
        let mut of_y = Array2::<f64>::zeros((n, width));
        let mut next = 0;
        for (sums, rows) in blocks {
            of_x += &sums;
            for row in rows {
                of_y.row_mut(next).assign(&row);
                next += 1;
            }
        }
        of_x /= n as f64;
        let mean = of_y.mean_axis(Axis(0)).expect("an element at least");
        of_y -= &mean;
        let written_x = times(of_x.view(), self.along.view());
        let written_y = times(of_y.view(), self.along.view()) + &self.layer.offset;
        let rounding = self.rounding(of_x.view(), of_y.view());
        let exact_rows = self.layer.unembedding.select(Axis(0), &self.exact);
        let along = self.along.t().as_standard_layout().into_owned();

        let columns = map_blocks(ys.len(), 1, |range| {
            let y = ys[range.start];
            let (hidden, mut off) = self.remainders(y);
            off -= &of_x;
            off -= &of_y.row(y);
            let read = self.read(y);
            let mut sums = written_x.clone();
            for (x, mut row) in sums.rows_mut().into_iter().enumerate() {
                let class = self.merges.whole.class_of[x] as usize;
                row += &ArrayView1::from(&read[class * n..(class + 1) * n]);
                row += &written_y.row(y);
            }
            for (functions, members, coefficients) in &self.written {
                let along = times(hidden.select(Axis(1), members).view(), coefficients.view());
                product(along.view(), functions.view(), sums.view_mut(), Onto::Plus);
            }
            if !self.exact.is_empty() {
                let of_exact = hidden.select(Axis(1), &self.exact);
                product(of_exact.view(), exact_rows.view(), sums.view_mut(), Onto::Plus);
            }
            off.mapv_inplace(f64::abs);
            let mut refined = 0u64;
            let mut of_x = |x: usize| {
                let (p, row, off) = (self.labels[x * n + y] as usize, sums.row(x), off.row(x));
                let bound = off.dot(&differences.row(p)) * SAFE + rounding;
                let mut least = f64::MAX;
                for z in (0..n).filter(|&z| z != p) {
                    let difference = row[p] - row[z];
                    let mut margin = difference - bound;
                    if (margin <= self.wanted || margin.is_nan()) && difference > 0.0 {
                        refined += 1;
                        let rows = off.iter().zip(along.row(p)).zip(along.row(z));
                        let bound = rows.map(|((off, p), z)| off * (p - z).abs()).sum::<f64>() * SAFE + rounding;
                        margin = difference - bound;
                    }
                    least = if margin < least || margin.is_nan() { margin } else { least };
                }
                least
            };
            let margins: Array1<f64> = (0..n).map(&mut of_x).collect();
            (margins, refined)
        });
        let refined: u64 = columns.iter().map(|(_, refined)| refined).sum();
        let columns: Vec<Array1<f64>> = columns.into_iter().map(|(margins, _)| margins).collect();
        let (n, width, these) = (self.n as u64, self.parts.len() as u64, ys.len() as u64);
        let read = self.read_operations() * these / n;
        let written: u64 = self
            .written
            .iter()
            .map(|(functions, members, _)| (functions.nrows() * (members.len() + self.n)) as u64 * n * these)
            .sum();
        let remainders = n * n * width + 2 * n * n * width + 2 * n * these * width;
        let exact = self.exact.len() as u64 * n * n * these;
        let operations = read + written + remainders + exact + 3 * n * n * these + refined * width;
        (by_columns(self.n, ys.iter().copied(), &columns), operations)
    }

    /// A bound on what rounding adds to a difference of two of the sums and to the bound on remainders.
    fn rounding(&self, of_x: ArrayView2<'_, f64>, of_y: ArrayView2<'_, f64>) -> f64 {
        let rank: usize = self.written.iter().map(|(functions, ..)| functions.nrows()).sum();
        let mut size = largest(&self.layer.offset);
        let (mut sums, mut remainders) = (self.layer.offset_error, 0.0);
        for (k, part) in self.parts.iter().enumerate() {
            let means = largest(of_x.column(k)) + largest(of_y.column(k));
            let (hidden, along) = (self.layer.largest[k], largest(self.along.row(k)));
            let cheap = match part {
                Method::Read { left, right } => {
                    let (left, right) = (largest(&left.values), largest(&right.values));
                    // In size, not in sign: the neuron of the largest values of both.
                    self.idealised(left, right).max(self.idealised(-left, -right).abs())
                }
                Method::Bounded => 0.0,
                Method::Exact | Method::Written(_) => hidden,
            };
            size += cheap * self.along_cheap[k] + means * along;
            sums += means * self.along_error[k];
            if matches!(part, Method::Exact | Method::Written(_)) {
                sums += self.layer.exact[k] * self.along_cheap[k];
            }
            if !matches!(part, Method::Exact) {
                let most = hidden + cheap + means;
                let error = self.layer.exact[k] + 8.0 * UNIT * most;
                remainders += 2.0 * (error * along + (most + error) * self.along_error[k]);
            }
        }
        sums += gamma(2 * (self.parts.len() + rank) + 32, UNIT) * size;
        // Results below the normal range of f64 are off by less than this in all.
        (2.0 * sums + remainders) * SAFE + TINY
    }

    /// Operations of running every pair.
    pub fn brute_force(&self) -> u64 {
        let (n, width) = (self.n as u64, self.parts.len() as u64);
        self.layer.operations + n * n * width + n * n * n * width + n * n * n
    }
}

/// Columns of a matrix (n, n), the others such that nothing is proven there.
fn by_columns(n: usize, ys: impl IntoIterator<Item = usize>, columns: &[Array1<f64>]) -> Array2<f64> {
    let mut margins = Array2::from_elem((n, n), f64::NEG_INFINITY);
    for (y, column) in ys.into_iter().zip(columns) {
        margins.slice_mut(s![.., y]).assign(column);
    }
    margins
}
