//! Embeddings of one group into another, found generator by generator.

use super::super::derived::closure;
use super::super::{CayleyTable, Elem, Group, GroupExt};

/// What a search for an embedding came to.
pub(super) enum Outcome {
    /// The image of every element of the first group, by row.
    Found(Vec<Elem>),
    /// There is none.
    None { tried: usize },
    /// The limit of products came first.
    Undecided { tried: usize },
}

/// A search for an injective homomorphism that takes every x to one of the y with `alike(x, y)`.
///
/// Generators of the first group get images in turn; each is continued at once to the subgroup that the generators so far
/// generate, every product of an element with a generator compared, and given up at the first that differs. Images are tried
/// up to conjugation by those elements of `conjugating` that commute with the images so far.
pub(super) struct Search<'a, F> {
    pub from: &'a CayleyTable,
    pub to: &'a CayleyTable,
    pub generators: &'a [Elem],
    pub alike: F,
    /// Products to take before giving up.
    pub limit: usize,
}

struct State {
    images: Vec<Option<Elem>>,
    used: Vec<bool>,
    members: Vec<Elem>,
    tried: usize,
    products: usize,
}

impl<F: Fn(Elem, Elem) -> bool> Search<'_, F> {
    /// The first embedding in order of the rows of the images.
    ///
    /// # Arguments
    /// `conjugating`: a subgroup of the second group with `alike(x, c y c^-1) = alike(x, y)` for all its c.
    pub fn run(&self, conjugating: Vec<Elem>) -> Outcome {
        let identity = self.from.identity();
        let mut state = State {
            images: vec![None; self.from.order()],
            used: vec![false; self.to.order()],
            members: vec![identity],
            tried: 0,
            products: 0,
        };
        state.images[identity.index()] = Some(self.to.identity());
        state.used[self.to.identity().index()] = true;
        if self.level(0, conjugating, &mut state) {
            return Outcome::Found(state.images.into_iter().map(|image| image.expect("all are reached")).collect());
        }
        let tried = state.tried;
        if state.products > self.limit { Outcome::Undecided { tried } } else { Outcome::None { tried } }
    }

    /// Whether the images so far continue to all further generators.
    fn level(&self, level: usize, conjugating: Vec<Elem>, state: &mut State) -> bool {
        let Some(&generator) = self.generators.get(level) else { return true };
        let mut seen = vec![false; self.to.order()];
        let before = state.members.len();
        for y in self.to.elements() {
            if seen[y.index()] || state.used[y.index()] || !(self.alike)(generator, y) {
                continue;
            }
            let mut commuting = Vec::new();
            for &c in &conjugating {
                let conjugate = self.to.conjugate(y, c);
                seen[conjugate.index()] = true;
                if conjugate == y {
                    commuting.push(c);
                }
            }
            state.tried += 1;
            state.products += conjugating.len();
            if self.continues(level, y, state) && self.level(level + 1, commuting, state) {
                return true;
            }
            for x in state.members.drain(before..) {
                if let Some(image) = state.images[x.index()].take() {
                    state.used[image.index()] = false;
                }
            }
            if state.products > self.limit {
                return false;
            }
        }
        false
    }

    /// Continues the images to the subgroup of the first `level + 1` generators, the last of which goes to `y`.
    fn continues(&self, level: usize, y: Elem, state: &mut State) -> bool {
        let old_members = state.members.len();
        let image_of = |k: usize, state: &State| match k {
            k if k == level => y,
            k => state.images[self.generators[k].index()].expect("an earlier generator has its image"),
        };
        let images: Vec<Elem> = (0..=level).map(|k| image_of(k, state)).collect();
        let mut next = 0;
        while next < state.members.len() {
            let x = state.members[next];
            let image = state.images[x.index()].expect("members have images");
            // Members from before have met the generators from before.
            let first = if next < old_members { level } else { 0 };
            for (&generator, &image_of_generator) in self.generators[..=level].iter().zip(&images).skip(first) {
                state.products += 1;
                let product = self.from.compose(x, generator);
                let goes_to = self.to.compose(image, image_of_generator);
                match state.images[product.index()] {
                    Some(known) if known == goes_to => {}
                    Some(_) => return false,
                    None if state.used[goes_to.index()] || !(self.alike)(product, goes_to) => return false,
                    None => {
                        state.images[product.index()] = Some(goes_to);
                        state.used[goes_to.index()] = true;
                        state.members.push(product);
                    }
                }
            }
            next += 1;
        }
        true
    }
}

/// Generators of a group for a search, each with few possible images for what it adds: in turn the element x outside of the
/// subgroup H so far with the least ln(candidates(x)) / ln(|<H, x>| / |H|), of at most four elements of each kind.
///
/// Costs a closure for each of these elements.
pub(super) fn generators(
    table: &CayleyTable,
    kind: impl Fn(Elem) -> u64,
    candidates: impl Fn(Elem) -> usize,
) -> Vec<Elem> {
    const OF_EACH: usize = 4;
    let mut generators: Vec<Elem> = Vec::new();
    loop {
        let reached = closure(table, generators.iter().copied());
        let before = reached.members.len();
        if before == table.order() {
            return generators;
        }
        let mut of_kind = std::collections::HashMap::new();
        let mut best: Option<(f64, Elem)> = None;
        for x in table.elements().filter(|&x| !reached.contains(x)) {
            let seen: &mut usize = of_kind.entry(kind(x)).or_default();
            *seen += 1;
            if *seen > OF_EACH {
                continue;
            }
            let after = closure(table, generators.iter().copied().chain([x])).members.len();
            // One candidate costs nothing, but of two such elements the one that adds more is better.
            let cost = (candidates(x) as f64 + 0.1).ln() / (after as f64 / before as f64).ln();
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, x));
            }
        }
        generators.push(best.expect("some element is outside").1);
    }
}
