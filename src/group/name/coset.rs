//! Todd and Coxeter's enumeration of the cosets of the trivial subgroup.

/// Entries of the table of cosets, at most: 128 MB.
const ENTRIES: usize = 1 << 25;

/// Cosets at one time, at most.
const COSETS: usize = 1_000_000;

/// Letters that are traced in all, at most: some seconds.
const STEPS: usize = 500_000_000;

/// An enumeration that did not come to an end.
pub(super) struct Endless {
    /// Cosets that there were.
    pub cosets: usize,
}

const NONE: u32 = u32::MAX;

/// The permutation of the cosets by each of k generators, from the right; coset 0 is the subgroup, the others are in order of
/// breadth-first discovery. Letter 2i of a relator is generator i, letter 2i + 1 its inverse.
pub(super) fn enumerate(k: usize, relators: &[Vec<usize>]) -> Result<Vec<Vec<usize>>, Endless> {
    Cosets::new(k, relators, COSETS / 4).felsch().or_else(|_| Cosets::new(k, relators, COSETS).hlt())
}

/// The steps of a breadth-first walk from coset 0: from, generator, to.
pub(super) fn steps(permutations: &[Vec<usize>]) -> Vec<(usize, usize, usize)> {
    let n = permutations[0].len();
    let (mut seen, mut queue, mut steps) = (vec![false; n], vec![0], Vec::new());
    seen[0] = true;
    let mut next = 0;
    while next < queue.len() {
        let from = queue[next];
        for (generator, images) in permutations.iter().enumerate() {
            let to = images[from];
            if !std::mem::replace(&mut seen[to], true) {
                queue.push(to);
                steps.push((from, generator, to));
            }
        }
        next += 1;
    }
    steps
}

/// The least number of letters after which a relator repeats itself.
fn period(relator: &[usize]) -> usize {
    let n = relator.len();
    let repeats = |&d: &usize| n.is_multiple_of(d) && relator[d..] == relator[..n - d];
    (1..n).find(repeats).unwrap_or(n)
}

/// The table of cosets: where each letter takes each coset, as far as is known.
struct Cosets<'a> {
    columns: usize,
    relators: &'a [Vec<usize>],
    entries: Vec<u32>,
    /// One of a smaller number that a dead coset was found equal to; a live one stands at itself.
    parent: Vec<u32>,
    live: usize,
    steps: usize,
    limit: usize,
    /// Cosets that died and still have entries.
    merging: Vec<usize>,
    /// Entries, with their letters, from which nothing was concluded yet.
    fresh: Vec<(usize, usize)>,
    /// The places in relators at which each letter stands, one for all that read the same from there on round the relator.
    places: Vec<Vec<(usize, usize)>>,
}

impl<'a> Cosets<'a> {
    fn new(k: usize, relators: &'a [Vec<usize>], limit: usize) -> Self {
        let mut places = vec![Vec::new(); 2 * k];
        for (i, relator) in relators.iter().enumerate() {
            for (at, &letter) in relator.iter().enumerate().take(period(relator)) {
                places[letter].push((i, at));
            }
        }
        Self {
            columns: 2 * k,
            relators,
            entries: vec![NONE; 2 * k],
            parent: vec![0],
            live: 1,
            steps: 0,
            limit: limit.min(ENTRIES / (2 * k)),
            merging: Vec::new(),
            fresh: Vec::new(),
            places,
        }
    }

    fn endless<T>(&self) -> Result<T, Endless> {
        Err(Endless { cosets: self.live })
    }

    /// Felsch's strategy: a new coset only where nothing else is left to conclude.
    fn felsch(mut self) -> Result<Vec<Vec<usize>>, Endless> {
        let mut next = 0;
        while next < self.parent.len() {
            for letter in 0..self.columns {
                if self.is_live(next) && self.get(next, letter).is_none() {
                    if !self.define(next, letter) {
                        next = self.compress(next);
                        if self.live * 10 > self.limit * 9 || !self.define(next, letter) {
                            return self.endless();
                        }
                    }
                    self.conclude();
                }
            }
            if self.steps > STEPS {
                return self.endless();
            }
            next += 1;
        }
        Ok(self.permutations())
    }

    /// Traces every relator round every fresh entry.
    fn conclude(&mut self) {
        while let Some((coset, letter)) = self.fresh.pop() {
            if self.steps > STEPS {
                return;
            }
            for (from, letter) in [(Some(coset), letter), (self.get(coset, letter), letter ^ 1)] {
                // A relator read backwards is that of the inverse: the place behind its letter does for both.
                for i in 0..self.places[letter].len() {
                    let (relator, at) = self.places[letter][i];
                    match from {
                        Some(from) if self.is_live(from) => self.trace(from, relator, at, false),
                        _ => break,
                    };
                }
            }
        }
    }

    /// The strategy of Haselgrove, Leech and Trotter, with look-ahead: new cosets until every relator closes at every coset.
    fn hlt(mut self) -> Result<Vec<Vec<usize>>, Endless> {
        let mut next = 0;
        while next < self.parent.len() {
            // A coset is done once every relator closes at it and every letter takes it somewhere.
            let mut done = true;
            for relator in 0..self.relators.len() {
                done = done && (!self.is_live(next) || self.trace(next, relator, 0, true));
            }
            for letter in 0..self.columns {
                if done && self.is_live(next) && self.get(next, letter).is_none() {
                    done = self.define(next, letter);
                }
            }
            self.fresh.clear();
            next += usize::from(done);
            if !done {
                // What is there may collapse without further cosets.
                for coset in next..self.parent.len() {
                    for relator in 0..self.relators.len() {
                        if self.is_live(coset) {
                            self.trace(coset, relator, 0, false);
                        }
                    }
                }
                if self.live * 10 > self.limit * 9 {
                    return self.endless();
                }
                next = self.compress(next);
            }
            if self.steps > STEPS {
                return self.endless();
            }
        }
        Ok(self.permutations())
    }

    fn is_live(&self, coset: usize) -> bool {
        self.parent[coset] as usize == coset
    }

    fn get(&self, coset: usize, letter: usize) -> Option<usize> {
        let entry = self.entries[coset * self.columns + letter];
        (entry != NONE).then_some(entry as usize)
    }

    fn set(&mut self, coset: usize, letter: usize, to: usize) {
        self.entries[coset * self.columns + letter] = to as u32;
    }

    /// A coset that a letter takes this one to and its inverse takes back.
    fn link(&mut self, from: usize, letter: usize, to: usize) {
        self.set(from, letter, to);
        self.set(to, letter ^ 1, from);
        self.fresh.push((from, letter));
    }

    /// Makes a new coset; whether there is room for it.
    fn define(&mut self, from: usize, letter: usize) -> bool {
        let new = self.parent.len();
        if new >= self.limit {
            return false;
        }
        self.parent.push(new as u32);
        self.entries.resize(self.entries.len() + self.columns, NONE);
        self.live += 1;
        self.link(from, letter, new);
        true
    }

    /// Traces a relator, from one of its places on and round, from both ends, with new cosets where it cannot go on if it is to
    /// be `fill`ed; what the ends meet in is one. Whether it closed.
    fn trace(&mut self, coset: usize, relator: usize, at: usize, fill: bool) -> bool {
        let relator = &self.relators[relator];
        let length = relator.len();
        let letter = |i: usize| relator[if at + i < length { at + i } else { at + i - length }];
        let (mut front, mut back, mut start, mut end) = (coset, coset, 0, length);
        loop {
            let open = end - start;
            while start < end
                && let Some(to) = self.get(front, letter(start))
            {
                (front, start) = (to, start + 1);
            }
            while start < end
                && let Some(to) = self.get(back, letter(end - 1) ^ 1)
            {
                (back, end) = (to, end - 1);
            }
            self.steps += open - (end - start) + 1;
            match end - start {
                0 => self.merge(front, back),
                1 => self.link(front, letter(start), back),
                _ if fill && self.define(front, letter(start)) => continue,
                _ => return false,
            }
            return true;
        }
    }

    /// The live coset that one is equal to.
    fn find(&mut self, mut coset: usize) -> usize {
        while !self.is_live(coset) {
            let above = self.parent[coset] as usize;
            self.parent[coset] = self.parent[above];
            coset = above;
        }
        coset
    }

    /// Makes one of two cosets, and of all that are then equal.
    fn merge(&mut self, a: usize, b: usize) {
        self.unite(a, b);
        while let Some(dead) = self.merging.pop() {
            for letter in 0..self.columns {
                let Some(to) = self.get(dead, letter) else { continue };
                self.set(dead, letter, NONE as usize);
                if self.get(to, letter ^ 1) == Some(dead) {
                    self.set(to, letter ^ 1, NONE as usize);
                }
                let (from, to) = (self.find(dead), self.find(to));
                match (self.get(from, letter), self.get(to, letter ^ 1)) {
                    (Some(other), _) => self.unite(to, other),
                    (_, Some(other)) => self.unite(from, other),
                    _ => self.link(from, letter, to),
                }
            }
        }
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        if a != b {
            self.parent[a.max(b)] = a.min(b) as u32;
            self.live -= 1;
            self.merging.push(a.max(b));
        }
    }

    /// Closes the gaps of dead cosets; the new number of the first live coset from `next` on.
    fn compress(&mut self, next: usize) -> usize {
        let mut new = vec![NONE; self.parent.len()];
        let live: Vec<usize> = (0..self.parent.len()).filter(|&coset| self.is_live(coset)).collect();
        (0..).zip(&live).for_each(|(i, &coset)| new[coset] = i);
        let mut entries = Vec::with_capacity(live.len() * self.columns);
        for &coset in &live {
            let row = &self.entries[coset * self.columns..(coset + 1) * self.columns];
            entries.extend(row.iter().map(|&to| if to == NONE { NONE } else { new[to as usize] }));
        }
        self.steps += self.entries.len();
        self.entries = entries;
        self.parent = (0..live.len() as u32).collect();
        live.partition_point(|&coset| coset < next)
    }

    /// The complete table, cosets in order of breadth-first discovery.
    fn permutations(mut self) -> Vec<Vec<usize>> {
        self.compress(0);
        let n = self.parent.len();
        let generators: Vec<usize> = (0..self.columns).step_by(2).collect();
        let images = |letter: usize| (0..n).map(|coset| self.get(coset, letter).unwrap_or(coset)).collect();
        let found: Vec<Vec<usize>> = generators.iter().map(|&letter| images(letter)).collect();
        let order: Vec<usize> = [0].into_iter().chain(steps(&found).into_iter().map(|(.., to)| to)).collect();
        let mut place = vec![0; n];
        (0..).zip(&order).for_each(|(i, &coset)| place[coset] = i);
        found.iter().map(|images| order.iter().map(|&coset| place[images[coset]]).collect()).collect()
    }
}
