//! What a growing list of generators reaches.

use super::Elem;

/// What a growing list of generators reaches by multiplication on the right, from a first element.
pub(super) struct Closure {
    /// The elements reached, in order of discovery.
    pub members: Vec<Elem>,
    /// How each member but the first was reached, in the same order.
    pub steps: Vec<Step>,
    pub generators: Vec<Elem>,
    reached: Vec<bool>,
}

/// `to = from * generators[generator]`.
pub(super) struct Step {
    pub from: Elem,
    pub generator: usize,
    pub to: Elem,
}

impl Closure {
    pub fn new(order: usize, first: Elem) -> Self {
        let mut reached = vec![false; order];
        reached[first.index()] = true;
        Self { members: vec![first], steps: Vec::new(), generators: Vec::new(), reached }
    }

    pub fn contains(&self, x: Elem) -> bool {
        self.reached[x.index()]
    }

    /// Adds one generator. Over the closure's life every member meets every generator once: members * generators
    /// products in all.
    pub fn add<E>(&mut self, generator: Elem, product: impl Fn(Elem, Elem) -> Result<Elem, E>) -> Result<(), E> {
        let old_members = self.members.len();
        self.generators.push(generator);
        let mut next = 0;
        while next < self.members.len() {
            let from = self.members[next];
            // Members from before have met the generators from before.
            let first = if next < old_members { self.generators.len() - 1 } else { 0 };
            for generator in first..self.generators.len() {
                let to = product(from, self.generators[generator])?;
                if !self.contains(to) {
                    self.reached[to.index()] = true;
                    self.members.push(to);
                    self.steps.push(Step { from, generator, to });
                }
            }
            next += 1;
        }
        Ok(())
    }
}
