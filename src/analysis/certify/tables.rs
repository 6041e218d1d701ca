//! Functions on cosets: tables of what neurons write on classes of x and of y, negative, and the search for the largest logits, from
//! which they are taken off.

use super::enclosed::neuron;
use crate::linalg::{Onto, product, times};
use crate::model::Activation;
use ndarray::{Array2, ArrayViewMut2};
use std::collections::HashMap;

/// Most bytes of a table that is kept for all classes of y.
const KEPT: usize = 1 << 26;

/// Most parts of a table that are tables of their own; of more, what they add up to tells more than each.
const APART: usize = 2;

/// The elements y at which it is measured how much tables tell apart.
const SAMPLE: usize = 4;

/// Elements in classes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Partition {
    /// The class of every element.
    pub class_of: Vec<u32>,
    /// The number of classes.
    pub classes: usize,
}

impl Partition {
    /// Every element a class.
    pub fn points(n: usize) -> Self {
        Self { class_of: (0..n as u32).collect(), classes: n }
    }

    /// Where both agree, with the class of each that every class of it is in.
    fn meet(&self, other: &Self) -> (Self, Vec<[u32; 2]>) {
        let mut numbers: HashMap<[u32; 2], u32> = HashMap::new();
        let mut of = Vec::new();
        let number = |(&a, &b): (&u32, &u32)| {
            *numbers.entry([a, b]).or_insert_with(|| {
                of.push([a, b]);
                of.len() as u32 - 1
            })
        };
        let class_of = self.class_of.iter().zip(&other.class_of).map(number).collect();
        (Self { class_of, classes: of.len() }, of)
    }
}

/// What neurons that read the same two partitions write.
pub(super) struct Readers {
    pub left: Partition,
    pub right: Partition,
    /// The values of the maps on classes, (classes, neurons) each, and what the neurons write, negative, (neurons, n).
    pub values: [Array2<f64>; 2],
    pub rows: Array2<f64>,
}

/// How a neuron follows from the values of both maps.
#[derive(Clone, Copy)]
pub(super) struct Combined {
    pub is_product: bool,
    pub function: Activation,
}

impl Combined {
    pub fn of(self, left: f64, right: f64) -> f64 {
        neuron(self.is_product, self.function, left, right)
    }
}

/// A part of a table: by class of y, where it is kept, (classes of x, n) numbers.
struct Part {
    readers: Readers,
    kept: Option<Vec<f64>>,
}

impl Part {
    fn new(readers: Readers, combined: Combined) -> Self {
        let [left, right] = &readers.values;
        let (p, q, n) = (left.nrows(), right.nrows(), readers.rows.ncols());
        let kept = (8 * p * q * n <= KEPT).then(|| {
            let of = |(row, k): (usize, usize)| combined.of(left[[row % p, k]], right[[row / p, k]]);
            let activations = Array2::from_shape_fn((q * p, left.ncols()), of);
            times(activations.view(), readers.rows.view()).into_raw_vec_and_offset().0
        });
        Self { readers, kept }
    }

    /// Adds it at y to a table, or makes it that where it is empty, and returns the operations it took.
    fn add(&self, y: usize, combined: Combined, to: &mut Vec<f64>) -> u64 {
        let [left, right] = &self.readers.values;
        let class = self.readers.right.class_of[y] as usize;
        let len = left.nrows() * self.readers.rows.ncols();
        match &self.kept {
            Some(kept) => {
                let from = &kept[class * len..(class + 1) * len];
                if to.is_empty() {
                    to.extend_from_slice(from);
                    return 0;
                }
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                len as u64
            }
            None => {
                to.resize(len, 0.0);
                let of = |(row, k): (usize, usize)| combined.of(left[[row, k]], right[[class, k]]);
                let activations = Array2::from_shape_fn(left.dim(), of);
                let to =
                    ArrayViewMut2::from_shape((left.nrows(), self.readers.rows.ncols()), to).expect("a row a class");
                product(activations.view(), self.readers.rows.view(), to, Onto::Plus);
                self.each()
            }
        }
    }

    /// Operations at one class of y, an activation counted as one.
    fn each(&self) -> u64 {
        let (classes, neurons) = self.readers.values[0].dim();
        (classes * neurons * (self.readers.rows.ncols() + 1)) as u64
    }
}

/// What neurons write that read one partition of x, at each of its classes.
struct Table {
    left: Partition,
    of_y: OfY,
}

/// How a table depends on y.
enum OfY {
    /// By one partition: by class of y the table less its least entries, (classes of x, n), and what these are, negative, n.
    Class { right: Partition, short: Vec<f64>, most: Vec<f64> },
    /// By several, or not kept.
    Parts(Vec<Part>),
}

/// Takes from every row of a table the least of each entry, and adds what is taken to `most`, of what the table is taken off.
pub(super) fn less_least(table: &mut [f64], most: &mut [f64]) {
    let n = most.len();
    let mut least = vec![f64::INFINITY; n];
    for row in table.chunks_exact(n) {
        // What is no number stays.
        least.iter_mut().zip(row).for_each(|(least, v)| *least = if *v < *least || v.is_nan() { *v } else { *least });
    }
    for row in table.chunks_exact_mut(n) {
        row.iter_mut().zip(&least).for_each(|(v, least)| *v -= least);
    }
    most.iter_mut().zip(&least).for_each(|(most, least)| *most -= least);
}

/// The tables of all neurons that are read, in the order in which they are searched, and all x in the order of their classes there.
pub(super) struct Tables {
    tables: Vec<Table>,
    combined: Combined,
    n: usize,
    pub xs: Vec<u32>,
    /// Operations of making them.
    pub operations: u64,
}

/// Memory for the tables at one y and for a search.
#[derive(Default)]
pub(super) struct Scratch {
    pub short: Vec<Vec<f64>>,
    pub live: Vec<Vec<(u32, f64)>>,
    /// At every class, the sum of what tables are at most.
    pub most: Vec<f64>,
}

impl Tables {
    pub fn new(readers: Vec<Readers>, combined: Combined, n: usize) -> Self {
        let mut operations = 0;
        let mut parts: Vec<(Partition, Vec<Part>)> = Vec::new();
        for readers in readers {
            let part = Part::new(readers, combined);
            if part.kept.is_some() {
                operations += part.each() * part.readers.right.classes as u64;
            }
            match parts.iter_mut().find(|(left, _)| *left == part.readers.left) {
                Some((_, parts)) => parts.push(part),
                None => parts.push((part.readers.left.clone(), vec![part])),
            }
        }
        let mut tables: Vec<Table> = Vec::new();
        // Tables that depend on y by the same partition are added up on their meet, those with few classes first.
        let mut alone = Vec::new();
        for (left, parts) in parts {
            if parts.len() <= APART && parts.iter().all(|part| part.kept.is_some()) {
                alone.extend(parts);
            } else {
                tables.push(Table { left, of_y: OfY::Parts(parts) });
            }
        }
        alone.sort_by_key(|part| part.readers.left.classes);
        for Part { readers: Readers { left, right, .. }, kept } in alone {
            let kept = kept.unwrap_or_default();
            let same = tables.iter_mut().find_map(|table| match &mut table.of_y {
                OfY::Class { right: known, short, .. } if *known == right => Some((&mut table.left, short)),
                _ => None,
            });
            let met = same.map(|(known, sum)| (known.meet(&left), known, sum));
            match met {
                Some(((meet, of), known, sum)) if 8 * right.classes * meet.classes * n <= KEPT => {
                    operations += (right.classes * meet.classes * n) as u64;
                    *sum = added([(sum, known.classes), (&kept, left.classes)], &of, right.classes, n);
                    *known = meet;
                }
                _ => tables.push(Table { left, of_y: OfY::Class { right, short: kept, most: Vec::new() } }),
            }
        }
        for table in &mut tables {
            if let OfY::Class { right, short, most } = &mut table.of_y {
                operations += 2 * short.len() as u64;
                *most = vec![0.0; right.classes * n];
                let classes = short.chunks_exact_mut(table.left.classes * n).zip(most.chunks_exact_mut(n));
                classes.for_each(|(short, most)| less_least(short, most));
            }
        }
        let mut found = Self { tables, combined, n, xs: (0..n as u32).collect(), operations };
        found.put_in_order();
        found
    }

    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Tables that tell classes apart most at the fewest classes of x come first.
    fn put_in_order(&mut self) {
        let mut told = vec![0.0; self.tables.len()];
        let mut scratch = Scratch::default();
        let mut operations = 0;
        for y in (0..self.n).step_by(self.n.div_ceil(SAMPLE)) {
            operations += self.fill(y, &mut scratch);
            for (told, (level, table)) in told.iter_mut().zip(self.levels(y, &scratch.short).iter().zip(&self.tables)) {
                *told += level.short.iter().sum::<f64>() / table.left.classes as f64;
                operations += level.short.len() as u64;
            }
        }
        self.operations += operations;
        let mut rest: Vec<(Table, f64)> = self.tables.drain(..).zip(told).collect();
        let mut before = Partition { class_of: vec![0; self.n], classes: 1 };
        while !rest.is_empty() {
            let meets = rest.iter().map(|(table, _)| before.meet(&table.left).0);
            let scores = meets.zip(&rest).map(|(meet, (_, told))| (told / meet.classes as f64, meet));
            let best = scores.enumerate().reduce(|a, b| if b.1.0 > a.1.0 { b } else { a });
            let Some((place, (_, meet))) = best else { break };
            self.tables.push(rest.remove(place).0);
            before = meet;
        }
        let tables = &self.tables;
        self.xs.sort_by_cached_key(|&x| tables.iter().map(|table| table.left.class_of[x as usize]).collect::<Vec<_>>());
    }

    /// Fills in what depends on y, and returns the operations it took.
    pub fn fill(&self, y: usize, scratch: &mut Scratch) -> u64 {
        let n = self.n;
        let mut operations = 0;
        scratch.most.clear();
        scratch.most.resize(n, 0.0);
        scratch.short.resize_with(self.tables.len(), Vec::new);
        for (table, short) in self.tables.iter().zip(&mut scratch.short) {
            operations += n as u64;
            match &table.of_y {
                OfY::Class { right, most, .. } => {
                    let class = right.class_of[y] as usize;
                    let from = &most[class * n..(class + 1) * n];
                    scratch.most.iter_mut().zip(from).for_each(|(to, v)| *to += v);
                }
                OfY::Parts(parts) => {
                    short.clear();
                    operations += parts.iter().map(|part| part.add(y, self.combined, short)).sum::<u64>();
                    less_least(short, &mut scratch.most);
                    operations += 2 * short.len() as u64;
                }
            }
        }
        operations
    }

    /// The levels of a search at the y that was filled in.
    pub fn levels<'a>(&'a self, y: usize, filled: &'a [Vec<f64>]) -> Vec<Level<'a>> {
        let level = |(table, filled): (&'a Table, &'a Vec<f64>)| {
            let short = match &table.of_y {
                OfY::Class { right, short, .. } => {
                    let (class, len) = (right.class_of[y] as usize, table.left.classes * self.n);
                    &short[class * len..(class + 1) * len]
                }
                OfY::Parts(_) => filled,
            };
            Level { class_of: &table.left.class_of, short }
        };
        self.tables.iter().zip(filled).map(level).collect()
    }
}

/// Two tables with the same classes of y, (classes of y, classes of x, n), added on the meet of their partitions of x.
fn added([a, b]: [(&[f64], usize); 2], of: &[[u32; 2]], right: usize, n: usize) -> Vec<f64> {
    fn row((table, classes): (&[f64], usize), y: usize, class: u32, n: usize) -> &[f64] {
        &table[(y * classes + class as usize) * n..][..n]
    }
    let mut sum = Vec::with_capacity(right * of.len() * n);
    for y in 0..right {
        for [i, j] in of {
            let (a, b) = (row(a, y, *i, n), row(b, y, *j, n));
            sum.extend(a.iter().zip(b).map(|(a, b)| a + b));
        }
    }
    sum
}

/// What is taken off at a level of a search, by the class of x and z: (classes, n), none below 0.
#[derive(Clone, Copy)]
pub(super) struct Level<'a> {
    pub class_of: &'a [u32],
    pub short: &'a [f64],
}

/// A search for the z at which what is left, after all levels, may be above what x needs.
pub(super) struct Search<'a> {
    pub levels: &'a [Level<'a>],
    /// By x.
    pub needed: &'a [f64],
    pub operations: u64,
}

impl Search<'_> {
    /// Calls `found` for every x with the z that are not left out and what is left at these: of `most` at the start.
    pub fn run(
        &mut self,
        xs: &[u32],
        most: &[f64],
        live: &mut Vec<Vec<(u32, f64)>>,
        mut found: impl FnMut(usize, &[(u32, f64)]),
    ) {
        live.resize_with(self.levels.len() + 1, Vec::new);
        let (first, rest) = live.split_at_mut(1);
        first[0].clear();
        first[0].extend(most.iter().enumerate().map(|(z, &v)| (z as u32, v)));
        self.descend(0, xs, &first[0], rest, most.len(), &mut found);
    }

    fn descend(
        &mut self,
        level: usize,
        xs: &[u32],
        live: &[(u32, f64)],
        rest: &mut [Vec<(u32, f64)>],
        n: usize,
        found: &mut impl FnMut(usize, &[(u32, f64)]),
    ) {
        let Some((own, rest)) = rest.split_first_mut() else {
            xs.iter().for_each(|&x| found(x as usize, live));
            return;
        };
        let Level { class_of, short } = self.levels[level];
        for xs in xs.chunk_by(|&a, &b| class_of[a as usize] == class_of[b as usize]) {
            let needed = xs.iter().map(|&x| self.needed[x as usize]).fold(f64::INFINITY, f64::min);
            let row = &short[class_of[xs[0] as usize] as usize * n..][..n];
            own.resize(live.len().max(own.len()), (0, 0.0));
            let mut count = 0;
            for &(z, v) in live {
                let left = v - row[z as usize];
                own[count] = (z, left);
                // What is no number stays.
                count += usize::from(left > needed || left.is_nan());
            }
            // Nothing is compared with minus infinity.
            let each = if needed == f64::NEG_INFINITY { 1 } else { 2 };
            self.operations += (each * live.len() + xs.len()) as u64;
            self.descend(level + 1, xs, &own[..count], rest, n, found);
        }
    }
}
