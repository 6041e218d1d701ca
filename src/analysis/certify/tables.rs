//! Functions on cosets, added up: partitions of the elements, and the order in which their tables are merged.

use std::collections::{BTreeMap, HashMap};

/// Elements in classes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Partition {
    /// The class of every element.
    pub class_of: Vec<u32>,
    /// The number of classes.
    pub classes: usize,
}

impl Partition {
    /// All elements in one class.
    pub fn whole(n: usize) -> Self {
        Self { class_of: vec![0; n], classes: 1 }
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

/// How tables on several partitions are added to one on their meet: two at a time, those with the fewest classes together first.
pub(super) struct Merges {
    /// The partition of the sum.
    pub whole: Partition,
    /// The tables that are added, numbered from the given ones on, and the class of each by class of the sum.
    steps: Vec<([usize; 2], Vec<[u32; 2]>)>,
}

impl Merges {
    /// For one table on each of these partitions.
    pub fn new(partitions: &[Partition], n: usize) -> Self {
        let mut tables: Vec<Option<Partition>> = partitions.iter().cloned().map(Some).collect();
        let mut steps = Vec::new();
        // The number of classes of every pair's meet.
        let mut classes: BTreeMap<[usize; 2], usize> = BTreeMap::new();
        let mut next = 0;
        loop {
            while let Some(new) = tables.get(next) {
                for (earlier, table) in tables[..next].iter().enumerate() {
                    if let (Some(a), Some(b)) = (table, new) {
                        classes.insert([earlier, next], a.meet(b).0.classes);
                    }
                }
                next += 1;
            }
            let Some((&[a, b], _)) = classes.iter().min_by_key(|(_, classes)| **classes) else { break };
            classes.retain(|pair, _| !pair.contains(&a) && !pair.contains(&b));
            let (Some(of_a), Some(of_b)) = (tables[a].take(), tables[b].take()) else { break };
            let (partition, of) = of_a.meet(&of_b);
            tables.push(Some(partition));
            steps.push(([a, b], of));
        }
        let whole = tables.into_iter().flatten().next().unwrap_or_else(|| Partition::whole(n));
        Self { whole, steps }
    }

    /// The additions that a sum of tables of `width` columns takes.
    pub fn additions(&self, width: usize) -> u64 {
        self.steps.iter().map(|(_, of)| (of.len() * width) as u64).sum()
    }

    /// The sum of tables, one a partition, each row-major (classes, width): on the classes of the meet.
    pub fn sum(&self, mut tables: Vec<Vec<f64>>, width: usize) -> Vec<f64> {
        for ([a, b], of) in &self.steps {
            let mut sum = Vec::with_capacity(of.len() * width);
            let (a, b) = (std::mem::take(&mut tables[*a]), std::mem::take(&mut tables[*b]));
            for [i, j] in of {
                let row = |class: u32| class as usize * width..(class as usize + 1) * width;
                sum.extend(a[row(*i)].iter().zip(&b[row(*j)]).map(|(a, b)| a + b));
            }
            tables.push(sum);
        }
        tables.pop().unwrap_or_else(|| vec![0.0; width])
    }
}
