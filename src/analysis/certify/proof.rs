//! The proof: what the explanation makes cheap to add up, what it leaves, and the bound on rounding.

use super::bounds::{Bounds, Distance, Remainders, SAFE, TINY, of_search};
use super::enclosed::{Layer, UNIT, gamma, largest};
use super::means::Means;
use super::tables::{Combined, Level, Partition, Readers, Scratch, Search, Tables, less_least};
use super::{Along, GRAIN, Method, OnClasses};
use crate::linalg::{Onto, map_blocks, product, times};
use crate::model::Activation;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// Columns that are worked on in the same memory.
const BLOCK: usize = 8;

/// Elements x and y at whose pairs the bound by distance is tried.
const TRIED: usize = 8;

impl OnClasses {
    fn partition(&self) -> Partition {
        Partition { class_of: self.class_of.clone(), classes: self.values.len() }
    }
}

pub(super) struct Proof<'a> {
    layer: &'a Layer,
    parts: &'a [Method],
    labels: &'a [u32],
    n: usize,
    combined: Combined,
    tables: Tables,
    points: Partition,
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
    /// A margin is refined until it is this, which is above what a forward pass in `f32` may be off for two logits.
    wanted: f64,
}

/// Where margins are found: these x, in the order of the tables' classes, and y, where logits are `most` less what all levels
/// take off.
struct At<'a> {
    xs: &'a [u32],
    /// The products x y, by x.
    products: &'a [usize],
    most: &'a [f64],
    levels: &'a [Level<'a>],
}

/// Margins of one y, and the operations they took.
type Column = (Array1<f64>, u64);

impl<'a> Proof<'a> {
    pub fn new(layer: &'a Layer, parts: &'a [Method], functions: &'a [Array2<f64>], labels: &'a [u32]) -> Self {
        let n = layer.unembedding.ncols();
        let width = parts.len();
        let combined = Combined { is_product: layer.is_product, function: layer.function };
        let mut readers: Vec<(Partition, Partition, Vec<usize>)> = Vec::new();
        let mut members: Vec<(Vec<usize>, Vec<f64>)> = vec![Default::default(); functions.len()];
        for (k, part) in parts.iter().enumerate() {
            match part {
                Method::Read { left, right } => {
                    let (left, right) = (left.partition(), right.partition());
                    match readers.iter_mut().find(|of| of.0 == left && of.1 == right) {
                        Some((.., found)) => found.push(k),
                        None => readers.push((left, right, vec![k])),
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
        let values = |members: &[usize], side: usize| {
            let of = |&k: &usize| match &parts[k] {
                Method::Read { left, right } => ArrayView1::from(if side == 0 { &left.values } else { &right.values }),
                _ => unreachable!("readers are read"),
            };
            let columns: Vec<_> = members.iter().map(of).collect();
            ndarray::stack(Axis(1), &columns).expect("values on the same classes")
        };
        let of_members = |(left, right, members): (Partition, Partition, Vec<usize>)| {
            // Negative: a table is then what is taken off.
            let rows = -layer.unembedding.select(Axis(0), &members);
            Readers { left, right, values: [values(&members, 0), values(&members, 1)], rows }
        };
        Self {
            layer,
            parts,
            labels,
            n,
            combined,
            tables: Tables::new(readers.into_iter().map(of_members).collect(), combined, n),
            points: Partition::points(n),
            written,
            exact,
            places,
            along,
            along_error,
            along_cheap,
            // A margin is rounded down to a multiple of 1 over the grain.
            wanted: 2.0 * layer.single_error() + 2.0 / GRAIN,
        }
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
        let operations = self.layer.operations + self.tables.operations;
        let (by_distance, tried) = self.by_distance(&differences);
        let open = |y: &usize| {
            let is_open = |margins: &Array2<f64>| {
                margins.column(*y).iter().any(|margin| *margin < self.wanted || margin.is_nan())
            };
            by_distance.as_ref().is_none_or(is_open)
        };
        let open: Vec<usize> = (0..self.n).filter(open).collect();
        let (columns, more) = if open.is_empty() { (Vec::new(), 0) } else { self.by_remainders(&differences, &open) };
        let mut margins = by_distance.unwrap_or_else(|| Array2::from_elem((self.n, self.n), f64::NEG_INFINITY));
        for (y, column) in open.into_iter().zip(columns) {
            margins.column_mut(y).zip_mut_with(&column, |margin, finer| *margin = margin.max(*finer));
        }
        (margins, operations + tried + more)
    }

    /// The products x y, by x.
    fn products(&self, y: usize) -> Vec<usize> {
        (0..self.n).map(|x| self.labels[x * self.n + y] as usize).collect()
    }

    /// Margins, and the operations they took: where there are tables, all that is found of one that is larger than wanted is that it
    /// is as large.
    fn column(&self, at: &At<'_>, live: &mut Vec<Vec<(u32, f64)>>, bounds: &impl Bounds) -> Column {
        let n = self.n;
        let mut logits = vec![0.0; n];
        let mut bound = vec![0.0; n];
        // Nothing is left out at first.
        let mut needed = vec![f64::NEG_INFINITY; n];
        for x in at.xs.iter().map(|&x| x as usize) {
            let p = at.products[x];
            let left = |v: f64, level: &Level<'_>| v - level.short[level.class_of[x] as usize * n + p];
            logits[x] = at.levels.iter().fold(at.most[p], left);
            bound[x] = bounds.coarse(x);
            let least = logits[x] - (bound[x] + self.wanted * SAFE);
            if !self.tables.is_empty() && !least.is_nan() {
                needed[x] = least;
            }
        }
        let mut margins = Array1::from_elem(n, f64::NEG_INFINITY);
        let mut operations = (at.xs.len() * (at.levels.len() + 2)) as u64;
        let mut search = Search { levels: at.levels, needed: &needed, operations: 0 };
        search.run(at.xs, at.most, live, |x, live| {
            let mut least = if live.len() < n { self.wanted } else { f64::MAX };
            for &(z, logit) in live.iter().filter(|(z, _)| *z as usize != at.products[x]) {
                let difference = logits[x] - logit;
                let mut margin = difference - bound[x];
                if (margin < self.wanted || margin.is_nan()) && difference > 0.0 {
                    let (bound, more) = bounds.fine(x, z as usize, difference - self.wanted);
                    operations += more;
                    margin = difference - bound;
                }
                least = if margin < least || margin.is_nan() { margin } else { least };
            }
            operations += live.len() as u64;
            margins[x] = least;
        });
        (margins, operations + search.operations)
    }

    /// Margins of tables alone, remainders bounded by how far the maps are from the tables' functions, and the operations they
    /// took; none where a few pairs show that this is too far.
    fn by_distance(&self, differences: &Array2<f64>) -> (Option<Array2<f64>>, u64) {
        let lipschitz = !self.layer.is_product && self.layer.function != Activation::Square;
        let alone = self.parts.iter().all(|part| matches!(part, Method::Read { .. } | Method::Bounded));
        if !lipschitz || !alone || self.tables.is_empty() {
            return (None, 0);
        }
        let distance = Distance::new(self.layer, self.parts, &self.along_cheap, differences);
        let n = self.n;
        let mut operations = 6 * (n * self.parts.len()) as u64;
        let mut of = |xs: &[u32], ys: &[usize]| {
            let blocks = map_blocks(ys.len(), BLOCK, |range| {
                let mut scratch = Scratch::default();
                let column = |&y: &usize| {
                    let filled = self.tables.fill(y, &mut scratch);
                    let levels = self.tables.levels(y, &scratch.short);
                    scratch.most.iter_mut().zip(&self.layer.offset).for_each(|(most, offset)| *most += offset);
                    let products = self.products(y);
                    let at = At { xs, products: &products, most: &scratch.most, levels: &levels };
                    let (margins, found) = self.column(&at, &mut scratch.live, &distance.at(y, &products));
                    (margins, filled + n as u64 + found)
                };
                ys[range].iter().map(column).collect::<Vec<Column>>()
            });
            let columns: Vec<Column> = blocks.into_iter().flatten().collect();
            operations += columns.iter().map(|(_, operations)| operations).sum::<u64>();
            columns
        };
        let step = n.div_ceil(TRIED);
        let few: Vec<u32> = self.tables.xs.iter().copied().step_by(step).collect();
        let tried = of(&few, &(0..n).step_by(step).collect::<Vec<_>>());
        let fails = |(margins, _): &Column| few.iter().any(|&x| margins[x as usize] < self.wanted);
        if tried.iter().any(fails) {
            return (None, operations);
        }
        let columns = of(&self.tables.xs, &(0..n).collect::<Vec<_>>());
        let views: Vec<_> = columns.iter().map(|(margins, _)| margins.view()).collect();
        (Some(ndarray::stack(Axis(1), &views).expect("columns of one length")), operations)
    }

    /// Means of the remainders over y and over x, (n, width) each, the former less the mean over both, and the operations they took.
    fn means(&self) -> ([Array2<f64>; 2], u64) {
        let (n, width) = (self.n, self.parts.len());
        let [mut of_x, mut of_y] = [(); 2].map(|()| Array2::<f64>::zeros((n, width)));
        let mut operations = 0;
        for (k, part) in self.parts.iter().enumerate().filter(|(_, part)| !matches!(part, Method::Exact)) {
            let (left, right) = (self.layer.left.values.column(k), self.layer.right.values.column(k));
            let over = [Means::of(right.iter().copied()), Means::of(left.iter().copied())];
            operations += 2 * Means::operations(n);
            let table = match part {
                Method::Read { left, right } => {
                    operations += 2 * Means::operations(n);
                    let values = |map: &OnClasses| (0..n).map(|x| map.at(x)).collect::<Vec<f64>>();
                    Some([values(left), values(right)])
                }
                _ => None,
            };
            let over_table =
                table.as_ref().map(|[left, right]| [right, left].map(|values| Means::of(values.iter().copied())));
            let mean = |side: usize, x: usize, value: f64| {
                let of_table = table.as_ref().zip(over_table.as_ref());
                let of_table = of_table.map_or(0.0, |(own, over)| over[side].at(own[side][x], self.combined));
                over[side].at(value, self.combined) - of_table
            };
            (0..n).for_each(|x| of_x[[x, k]] = mean(0, x, left[x]));
            (0..n).for_each(|y| of_y[[y, k]] = mean(1, y, right[y]));
        }
        let mean = of_y.mean_axis(Axis(0)).expect("an element at least");
        of_y -= &mean;
        ([of_x, of_y], operations)
    }

    /// Columns of margins with the remainders of all neurons, less what they have of a function of x and one of y, for these y,
    /// and the operations they took.
    fn by_remainders(&self, differences: &Array2<f64>, ys: &[usize]) -> (Vec<Array1<f64>>, u64) {
        let (n, width) = (self.n, self.parts.len());
        let ([of_x, of_y], of_means) = self.means();
        let written_y = times(of_y.view(), self.along.view()) + &self.layer.offset;
        let rounding = self.rounding(of_x.view(), of_y.view());
        let exact_rows = self.layer.unembedding.select(Axis(0), &self.exact);
        let along = self.along.t().as_standard_layout().into_owned();
        let is_dense = !self.exact.is_empty() || !self.written.is_empty();
        let rank: usize = self.written.iter().map(|(functions, ..)| functions.nrows()).sum();
        let joined: usize = self.written.iter().map(|(functions, members, _)| functions.nrows() * members.len()).sum();
        // The last level, negative: functions of x, and neurons that are not read.
        let last = -times(of_x.view(), self.along.view());
        let mut most = vec![0.0; n];
        let mut of_functions = last.clone().into_raw_vec_and_offset().0;
        if !self.tables.is_empty() {
            less_least(&mut of_functions, &mut most);
        }
        let blocks = map_blocks(ys.len(), BLOCK, |range| {
            let mut scratch = Scratch::default();
            let [mut off, mut hidden] = [(); 2].map(|()| Array2::<f64>::zeros((n, width)));
            let mut dense = if is_dense { last.clone() } else { Array2::zeros((0, 0)) };
            let column = |&y: &usize| {
                let mut operations = self.tables.fill(y, &mut scratch);
                self.remainders(y, [of_x.view(), of_y.view()], &mut off, &mut hidden);
                scratch.most.iter_mut().zip(written_y.row(y)).for_each(|(most, written)| *most += written);
                operations += (n + n * width + 3 * n * (width - self.exact.len())) as u64;
                if is_dense {
                    dense.assign(&last);
                    for (functions, members, coefficients) in &self.written {
                        let along = times(hidden.select(Axis(1), members).view(), coefficients.view());
                        product(along.view(), functions.view(), dense.view_mut(), Onto::Minus);
                    }
                    let of_exact = hidden.select(Axis(1), &self.exact);
                    product(of_exact.view(), exact_rows.view(), dense.view_mut(), Onto::Minus);
                    operations += (n * joined + n * n * (rank + self.exact.len())) as u64;
                    if !self.tables.is_empty() {
                        less_least(dense.as_slice_mut().expect("a matrix as it was made"), &mut scratch.most);
                        operations += 2 * (n * n) as u64;
                    }
                } else {
                    scratch.most.iter_mut().zip(&most).for_each(|(to, most)| *to += most);
                    operations += n as u64;
                }
                let short = if is_dense { dense.as_slice().expect("a matrix as it was made") } else { &of_functions };
                let mut levels = self.tables.levels(y, &scratch.short);
                levels.push(Level { class_of: &self.points.class_of, short });
                let products = self.products(y);
                let at = At { xs: &self.tables.xs, products: &products, most: &scratch.most, levels: &levels };
                let bounds = Remainders::new(&off, [differences, &along], &products, rounding);
                let (margins, found) = self.column(&at, &mut scratch.live, &bounds);
                (margins, operations + found)
            };
            ys[range].iter().map(column).collect::<Vec<Column>>()
        });
        let (columns, operations): (Vec<_>, Vec<u64>) = blocks.into_iter().flatten().unzip();
        // Functions of x and of y along all rows; how far the former fall short.
        let once = 2 * n * n * width + 2 * n * n;
        (columns, of_means + once as u64 + operations.iter().sum::<u64>())
    }

    /// Neurons at all x for one y, and the sizes of what the sums do not have of them: (n, width) each.
    fn remainders(&self, y: usize, means: [ArrayView2<'_, f64>; 2], off: &mut Array2<f64>, hidden: &mut Array2<f64>) {
        // Neuron after neuron the values of its table for this y, or one 0, with its mean.
        let mut tables = Vec::new();
        for (part, mean) in self.parts.iter().zip(means[1].row(y)) {
            match part {
                Method::Read { left, right } => {
                    let right = right.at(y);
                    tables.extend(left.values.iter().map(|&left| self.combined.of(left, right) + mean));
                }
                _ => tables.push(*mean),
            }
        }
        let right = self.layer.right.values.row(y);
        let left = self.layer.left.values.rows().into_iter().zip(self.places.rows()).zip(means[0].rows());
        for (((left, places), of_x), (mut off, mut hidden)) in
            left.zip(off.rows_mut().into_iter().zip(hidden.rows_mut()))
        {
            for k in 0..left.len() {
                hidden[k] = self.combined.of(left[k], right[k]);
                off[k] = (hidden[k] - tables[places[k] as usize] - of_x[k]).abs();
            }
            self.exact.iter().for_each(|&k| off[k] = 0.0);
        }
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
                    self.combined.of(left, right).max(self.combined.of(-left, -right).abs())
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
        sums += of_search(self.parts.len() + rank, size);
        // Results below the normal range of f64 are off by less than this in all.
        (2.0 * sums + remainders) * SAFE + TINY
    }

    /// Operations of running every pair.
    pub fn brute_force(&self) -> u64 {
        let (n, width) = (self.n as u64, self.parts.len() as u64);
        self.layer.operations + n * n * width + n * n * n * width + n * n * n
    }
}
