//! The bound: margins of all pairs that a certificate claims, from the parts that it splits neurons into.
//!
//! Whatever numbers a certificate has, with a neuron h at (x, y), its row U of the unembedding, and any f of x and g of y:
//!
//! - read: `h U = a U + (f + g) U + e U`, a the activation of the values on classes; bounded likewise with a = 0;
//! - written: `h U = h U' + (f + g) (U - U') + e (U - U')`, U' the coefficients times the functions;
//! - exact: `h U = a U + e U`, a the activation in `f64` of the middles of the maps' intervals.
//!
//! All terms but the last are added up in `f64` for all classes z at once, with a bound on rounding from Higham's γ; e is enclosed
//! by intervals at every pair, and `|e| |V(p) - V(z)|`, V = U or U - U', bounds what it adds to a margin. Functions f and g are
//! means of the remainders, or 0: either shows margins.

use super::file::{Along, Certificate, Classes, Part};
use super::interval::{DOUBLE, Interval, above, gamma, largest};
use super::layer::Layer;
use irreplens::linalg::map_blocks;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use std::collections::HashMap;

/// Where a margin is claimed that is larger than what is shown, but not by this, all neurons of the pair are added up at once.
const GRAIN: f64 = 1.0 / 32768.0;

/// Blocks that means over pairs are added up in.
const BLOCKS: usize = 8;

/// A claim that is not shown.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Refused {
    pub pair: [usize; 2],
    pub claim: f64,
    pub shown: f64,
}

/// What functions of x and of y are taken out of the remainders.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Nothing,
    Means,
}

/// Neurons that are read by one partition of x.
struct Readers<'a> {
    class_of: &'a [u32],
    classes: usize,
    neurons: Vec<usize>,
    maps: Vec<[&'a Classes; 2]>,
    rows: Array2<f64>,
}

/// Neurons that are written along the functions of one irrep.
struct Writers {
    neurons: Vec<usize>,
    coefficients: Array2<f64>,
    functions: Array2<f64>,
}

/// A certificate beside its network.
pub(super) struct Bound<'a> {
    layer: &'a Layer,
    parts: &'a [Part],
    margins: &'a [f64],
    products: &'a [u32],
    n: usize,
    width: usize,
    readers: Vec<Readers<'a>>,
    writers: Vec<Writers>,
    exact: (Vec<usize>, Array2<f64>),
    /// Values on classes, of read neurons: (n, width) each.
    on_classes: [Array2<f64>; 2],
    /// The rows V that remainders are written along, near the true ones: (n, width).
    along: Array2<f64>,
    /// By neuron, how far these may be from the true ones.
    along_error: Vec<f64>,
    /// At least the largest difference of V from its entry at every class: (n, width).
    differences: Array2<f64>,
    /// By neuron, at least the largest sum without signs of what its activation is multiplied with in the sums.
    cheap: Vec<f64>,
    /// What is added to the logits, and how far that may be from the true one.
    offset: (Array1<f64>, f64),
    means: Means,
}

/// What all pairs have in common.
struct Means {
    /// Functions of x and of y taken out of remainders: (n, width) each.
    of: [Array2<f64>; 2],
    /// What these write, those of y with the offset: (n, n) each.
    written: [Array2<f64>; 2],
    /// By neuron, the largest activation in the sums.
    largest: Vec<f64>,
    /// By written neuron, how far its activation may be from the one in the sums.
    spread: Vec<f64>,
}

/// What one block of y adds to the means.
#[derive(serde::Serialize, serde::Deserialize)]
struct Share {
    of_x: Array2<f64>,
    of_y: Vec<Array1<f64>>,
    largest: Vec<f64>,
    spread: Vec<f64>,
}

impl<'a> Bound<'a> {
    /// For a certificate that fits the network.
    pub fn new(layer: &'a Layer, certificate: &'a Certificate, products: &'a [u32]) -> Self {
        let (width, n) = layer.unembedding.dim();
        let parts = &certificate.neurons[..];
        let writers = writers(certificate, n);
        let (along, along_error) = along(layer, certificate);
        let exact: Vec<usize> = (0..width).filter(|&k| matches!(parts[k], Part::Exact)).collect();
        let values = |side: usize| {
            Array2::from_shape_fn((n, width), |(x, k)| match &parts[k] {
                Part::Read { left, right } => [left, right][side].at(x),
                _ => 0.0,
            })
        };
        let middles: Array1<f64> = layer.offset.iter().map(|v| v.middle()).collect();
        let offset_error = largest(layer.offset.iter().zip(&middles).map(|(v, m)| v.distance(*m)));
        let nothing = || [Array2::zeros((0, 0)), Array2::zeros((0, 0))];
        let mut bound = Self {
            layer,
            parts,
            margins: certificate.margins.data(),
            products,
            n,
            width,
            readers: readers(layer, parts),
            cheap: cheap(layer, &writers, parts),
            writers,
            exact: (exact.clone(), layer.unembedding.select(Axis(0), &exact)),
            on_classes: [values(0), values(1)],
            differences: differences(&along, &along_error),
            along,
            along_error,
            offset: (middles, offset_error),
            means: Means { of: nothing(), written: nothing(), largest: vec![0.0; width], spread: vec![0.0; width] },
        };
        bound.take_means();
        bound
    }

    /// The activation of a neuron in the sums.
    fn activation(&self, x: usize, y: usize, k: usize) -> f64 {
        let neuron = self.layer.neuron;
        match self.parts[k] {
            Part::Read { .. } => neuron.of(self.on_classes[0][[x, k]], self.on_classes[1][[y, k]]),
            Part::Bounded => 0.0,
            Part::Exact | Part::Written(_) => {
                neuron.of(self.layer.maps[0][[x, k]].middle(), self.layer.maps[1][[y, k]].middle())
            }
        }
    }

    /// A neuron less what the sums have of it along V, but for functions of x and of y.
    fn remainder(&self, x: usize, y: usize, k: usize) -> Interval {
        let neuron = self.layer.at(x, y, k);
        match self.parts[k] {
            Part::Bounded | Part::Written(_) => neuron,
            Part::Exact | Part::Read { .. } => neuron.sub(Interval::point(self.activation(x, y, k))),
        }
    }

    /// Means of the remainders, and the largest activations.
    fn take_means(&mut self) {
        let (n, width) = (self.n, self.width);
        let shares = map_blocks(n, n.div_ceil(BLOCKS).max(1), |ys| {
            let mut share = Share {
                of_x: Array2::zeros((n, width)),
                of_y: Vec::new(),
                largest: vec![0.0; width],
                spread: vec![0.0; width],
            };
            ys.for_each(|y| self.share(y, &mut share));
            share
        });
        let mut of = [Array2::<f64>::zeros((n, width)), Array2::<f64>::zeros((n, width))];
        let means = &mut self.means;
        for (y, row) in shares.iter().flat_map(|share| &share.of_y).enumerate() {
            of[1].row_mut(y).assign(row);
        }
        for share in &shares {
            of[0] += &share.of_x;
            let both = [(&mut means.largest, &share.largest), (&mut means.spread, &share.spread)];
            both.into_iter().for_each(|(to, from)| to.iter_mut().zip(from).for_each(|(a, b)| *a = largest([*a, *b])));
        }
        // Any numbers do: these are near the best ones.
        of.iter_mut().for_each(|of| *of /= n as f64);
        let mean = of[0].sum_axis(Axis(0)) / n as f64;
        of[1] -= &mean;
        means.written = [of[0].dot(&self.along.t()), of[1].dot(&self.along.t()) + &self.offset.0];
        means.of = of;
    }

    fn share(&self, y: usize, share: &mut Share) {
        let mut row = Array1::zeros(self.width);
        for x in 0..self.n {
            for k in 0..self.width {
                let activation = self.activation(x, y, k);
                share.largest[k] = largest([share.largest[k], activation.abs()]);
                match self.parts[k] {
                    Part::Exact => continue,
                    Part::Written(_) => {
                        let distance = self.layer.at(x, y, k).distance(activation);
                        share.spread[k] = largest([share.spread[k], distance]);
                    }
                    _ => {}
                }
                let remainder = self.remainder(x, y, k).middle();
                row[k] += remainder;
                share.of_x[[x, k]] += remainder;
            }
        }
        share.of_y.push(row);
    }

    /// How far a difference of two of the sums may be from the true one, remainders at the pair apart.
    fn rounding(&self, taken: Taken) -> f64 {
        let mut size = largest(self.offset.0.iter().map(|v| v.abs()));
        let mut error = self.offset.1;
        for k in 0..self.width {
            size += self.means.largest[k] * self.cheap[k];
            error += self.means.spread[k] * self.cheap[k];
            if taken == Taken::Means {
                let column = |side: usize| largest(self.means.of[side].column(k).iter().map(|v| v.abs()));
                let both = column(0) + column(1);
                size += both * largest(self.along.column(k).iter().map(|v| v.abs()));
                error += both * self.along_error[k];
            }
        }
        let ranks = self.writers.iter().map(|writers| writers.functions.nrows() + writers.neurons.len());
        let terms = self.width + self.readers.len() + self.writers.len() + ranks.sum::<usize>() + 32;
        let functions = self.writers.iter().flat_map(|writers| &writers.functions).map(|v| v.abs()).sum::<f64>();
        // A product below the smallest normal number, multiplied with the functions.
        let tiny = above(functions, self.n * terms) * (16 * terms * terms) as f64 * f64::MIN_POSITIVE;
        let (size, error) = (above(size, 8 * self.width + 8), above(error, 8 * self.width + 8));
        above(2.0 * (gamma(2 * terms, DOUBLE) * size + error + tiny), 16)
    }

    /// The sums for one y, at every x and z: (n, n).
    fn sums(&self, y: usize, taken: Taken) -> Array2<f64> {
        let n = self.n;
        let mut sums = match taken {
            Taken::Means => &self.means.written[0] + &self.means.written[1].row(y),
            Taken::Nothing => self.offset.0.broadcast((n, n)).expect("a row for each").to_owned(),
        };
        for readers in &self.readers {
            let shape = (readers.classes, readers.neurons.len());
            let on_classes = Array2::from_shape_fn(shape, |(class, i)| {
                let [left, right] = readers.maps[i];
                self.layer.neuron.of(left.values[class], right.at(y))
            });
            let table = on_classes.dot(&readers.rows);
            for (mut row, class) in sums.rows_mut().into_iter().zip(readers.class_of) {
                row += &table.row(*class as usize);
            }
        }
        let activations =
            |neurons: &[usize]| Array2::from_shape_fn((n, neurons.len()), |(x, i)| self.activation(x, y, neurons[i]));
        for writers in &self.writers {
            let along = activations(&writers.neurons).dot(&writers.coefficients);
            general_mat_mul(1.0, &along, &writers.functions, 1.0, &mut sums);
        }
        if !self.exact.0.is_empty() {
            general_mat_mul(1.0, &activations(&self.exact.0), &self.exact.1, 1.0, &mut sums);
        }
        sums
    }

    /// Absolute values, at most, of all remainders at a pair.
    fn remainders(&self, x: usize, y: usize, taken: Taken) -> Array1<f64> {
        let of = |k: usize| {
            let remainder = self.remainder(x, y, k);
            let exact = matches!(self.parts[k], Part::Exact);
            match taken == Taken::Means && !exact {
                false => remainder.magnitude(),
                true => {
                    let [of_x, of_y] = &self.means.of;
                    remainder.sub(Interval::point(of_x[[x, k]])).distance(of_y[[y, k]])
                }
            }
        };
        (0..self.width).map(of).collect()
    }

    /// The margin that is shown at a pair, at least as large as what is claimed if that can be shown: with the sums at its x.
    fn margin(&self, [x, y]: [usize; 2], claim: f64, sums: ArrayView1<'_, f64>, taken: Taken, rounding: f64) -> f64 {
        let p = self.products[x * self.n + y] as usize;
        let off = self.remainders(x, y, taken);
        let coarse = above(off.dot(&self.differences.row(p)), self.width);
        let mut least = f64::INFINITY;
        for z in (0..self.n).filter(|&z| z != p) {
            let difference = ((sums[p] - sums[z]).next_down() - rounding).next_down();
            let mut shown = (difference - coarse).next_down();
            if !shows(shown, claim) && difference > claim {
                shown = (difference - self.fine(&off, p, z)).next_down();
            }
            least = if shown.is_nan() { f64::NEG_INFINITY } else { least.min(shown) };
            if least == f64::NEG_INFINITY {
                break;
            }
        }
        least
    }

    /// What remainders add to the difference of two classes, at most.
    fn fine(&self, off: &Array1<f64>, p: usize, z: usize) -> f64 {
        let rows = self.along.row(p);
        let terms = off.iter().zip(rows.iter().zip(self.along.row(z))).zip(&self.along_error);
        above(terms.map(|((off, (p, z)), error)| off * ((p - z).abs() + 2.0 * error)).sum(), self.width + 4)
    }

    /// The margin at a pair with all neurons added up at once, by intervals.
    fn directly(&self, x: usize, y: usize) -> f64 {
        let p = self.products[x * self.n + y] as usize;
        let neurons: Vec<Interval> = (0..self.width).map(|k| self.layer.at(x, y, k)).collect();
        let of_class = |z: usize| {
            let rows = self.layer.unembedding.column(p).into_iter().zip(self.layer.unembedding.column(z));
            let start = self.layer.offset[p].sub(self.layer.offset[z]);
            let sum = neurons
                .iter()
                .zip(rows)
                .fold(start, |sum, (neuron, (&p, &z))| sum.add(neuron.mul(Interval::point(p).sub(Interval::point(z)))));
            sum.lo
        };
        (0..self.n).filter(|&z| z != p).map(of_class).fold(f64::INFINITY, f64::min)
    }

    /// Shows every positive claim, and says at how many pairs it took all neurons at once.
    ///
    /// # Errors
    /// The first claim in the order of x, then y, that is not shown.
    pub fn show(&self) -> Result<usize, Refused> {
        // By tables alone remainders are small as they are: means come second.
        let tables = self.parts.iter().all(|part| matches!(part, Part::Read { .. } | Part::Bounded));
        let order = if tables { [Taken::Nothing, Taken::Means] } else { [Taken::Means, Taken::Nothing] };
        let order = order.map(|taken| (taken, self.rounding(taken)));
        let columns = map_blocks(self.n, 1, |range| self.column(range.start, &order));
        let mut refused: Vec<Refused> = Vec::new();
        let mut directly = 0;
        for column in columns {
            match column {
                Ok(count) => directly += count,
                Err(first) => refused.push(first),
            }
        }
        refused.sort_by_key(|refused| refused.pair);
        refused.into_iter().next().map_or(Ok(directly), Err)
    }

    fn column(&self, y: usize, order: &[(Taken, f64)]) -> Result<usize, Refused> {
        let claim = |x: usize| self.margins[x * self.n + y];
        let mut open: Vec<(usize, f64)> =
            (0..self.n).filter(|&x| claim(x) > 0.0).map(|x| (x, f64::NEG_INFINITY)).collect();
        for &(taken, rounding) in order {
            if open.is_empty() {
                return Ok(0);
            }
            let sums = self.sums(y, taken);
            open.iter_mut().for_each(|(x, shown)| {
                *shown = shown.max(self.margin([*x, y], claim(*x), sums.row(*x), taken, rounding));
            });
            open.retain(|(x, shown)| !shows(*shown, claim(*x)));
        }
        for &(x, mut shown) in &open {
            let claim = claim(x);
            if claim - shown < GRAIN {
                shown = shown.max(self.directly(x, y));
            }
            if !shows(shown, claim) {
                return Err(Refused { pair: [x, y], claim, shown });
            }
        }
        Ok(open.len())
    }
}

/// Whether a lower bound shows a claim: one that is no number shows none.
fn shows(shown: f64, claim: f64) -> bool {
    shown >= claim
}

/// Neurons that are read, by their partition of x.
fn readers<'a>(layer: &Layer, parts: &'a [Part]) -> Vec<Readers<'a>> {
    let mut places: HashMap<(&[u32], usize), usize> = HashMap::new();
    let mut all: Vec<Readers<'a>> = Vec::new();
    for (k, part) in parts.iter().enumerate() {
        let Part::Read { left, right } = part else { continue };
        let (class_of, classes) = (&left.class_of[..], left.values.len());
        let place = *places.entry((class_of, classes)).or_insert_with(|| {
            let rows = Array2::zeros((0, 0));
            all.push(Readers { class_of, classes, neurons: Vec::new(), maps: Vec::new(), rows });
            all.len() - 1
        });
        all[place].neurons.push(k);
        all[place].maps.push([left, right]);
    }
    all.iter_mut().for_each(|readers| readers.rows = layer.unembedding.select(Axis(0), &readers.neurons));
    all
}

/// Neurons that are written, by the functions; a neuron twice, where it has these twice.
fn writers(certificate: &Certificate, n: usize) -> Vec<Writers> {
    let of = |(place, grid): (usize, &super::file::Grid)| {
        let [rank, _] = grid.dim();
        let mut neurons = Vec::new();
        let mut coefficients = Vec::new();
        for (k, part) in certificate.neurons.iter().enumerate() {
            let Part::Written(along) = part else { continue };
            for Along { coefficients: own, .. } in along.iter().filter(|along| along.functions == place) {
                neurons.push(k);
                coefficients.extend(own);
            }
        }
        let shaped = |shape, numbers| Array2::from_shape_vec(shape, numbers).expect("shapes were checked");
        let coefficients = shaped((neurons.len(), rank), coefficients);
        Writers { neurons, coefficients, functions: shaped((rank, n), grid.data().to_vec()) }
    };
    let all = certificate.functions.iter().enumerate().map(of);
    all.filter(|writers| !writers.coefficients.is_empty()).collect()
}

/// The rows V, (n, width), by intervals, and how far their middles may be from them.
fn along(layer: &Layer, certificate: &Certificate) -> (Array2<f64>, Vec<f64>) {
    let (width, n) = layer.unembedding.dim();
    let mut along = layer.unembedding.t().as_standard_layout().into_owned();
    let mut errors = vec![0.0; width];
    for (k, part) in certificate.neurons.iter().enumerate() {
        let Part::Written(terms) = part else { continue };
        let mut row: Vec<Interval> = layer.unembedding.row(k).iter().map(|&v| Interval::point(v)).collect();
        for term in terms {
            let functions = &certificate.functions[term.functions];
            for (i, &coefficient) in term.coefficients.iter().enumerate() {
                let coefficient = Interval::point(coefficient);
                let values = functions.row(i).iter().map(|&v| Interval::point(v));
                row.iter_mut().zip(values).for_each(|(to, v)| *to = to.sub(coefficient.mul(v)));
            }
        }
        let middles = row.iter().map(|v| v.middle());
        (0..n).zip(middles).for_each(|(z, middle)| along[[z, k]] = middle);
        errors[k] = largest(row.iter().enumerate().map(|(z, v)| v.distance(along[[z, k]])));
    }
    (along, errors)
}

/// At least the largest difference of V from its entry at every class: (n, width).
fn differences(along: &Array2<f64>, errors: &[f64]) -> Array2<f64> {
    let bounds: Vec<[f64; 2]> = along
        .columns()
        .into_iter()
        .map(|column| column.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], &v| [a.min(v), b.max(v)]))
        .collect();
    let of = |(z, k): (usize, usize)| {
        let ([least, most], v) = (bounds[k], along[[z, k]]);
        above((v - least).max(most - v) + 2.0 * errors[k], 2)
    };
    Array2::from_shape_fn(along.dim(), of)
}

/// By neuron, at least the largest sum without signs of what its activation is multiplied with in the sums: coefficients times
/// functions where it is written, else its row of the unembedding.
fn cheap(layer: &Layer, writers: &[Writers], parts: &[Part]) -> Vec<f64> {
    let own = |(k, part): (usize, &Part)| match part {
        Part::Read { .. } | Part::Exact => largest(layer.unembedding.row(k).iter().map(|v| v.abs())),
        Part::Written(_) | Part::Bounded => 0.0,
    };
    let mut cheap: Vec<f64> = parts.iter().enumerate().map(own).collect();
    for writers in writers {
        let sizes: Array1<f64> =
            writers.functions.rows().into_iter().map(|row| largest(row.iter().map(|v| v.abs()))).collect();
        for (&k, coefficients) in writers.neurons.iter().zip(writers.coefficients.rows()) {
            let size = above(coefficients.mapv(f64::abs).dot(&sizes), sizes.len());
            cheap[k] = above(cheap[k] + size, 2);
        }
    }
    cheap
}
