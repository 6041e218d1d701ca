//! Homomorphisms and automorphisms by the images of generators.

use super::matrix::semidirect;
use super::{GroupForm, GroupName, NamedGroup};
use crate::error::{Error, Result};
use crate::group::closure::Closure;
use crate::group::{Elem, Group, GroupExt};
use crate::memory;
use std::collections::HashMap;
use std::convert::Infallible;

/// Products that a search takes, at most: some seconds.
const WORK: usize = 300_000_000;

/// Why a search was given up.
pub(super) enum TooMany {
    Found,
    Work,
}

/// All homomorphisms from one group to another, each the list of images, in lexicographic order; the injective ones alone if
/// these are wanted. At most `limit`.
pub(super) fn homomorphisms(
    from: &(impl Group + ?Sized),
    to: &(impl Group + ?Sized),
    injective: bool,
    limit: usize,
) -> Result<Vec<Vec<Elem>>, TooMany> {
    let mut search = Search { from, to, injective, limit, work: WORK, stages: Vec::new(), found: Vec::new() };
    let mut closure = Closure::new(from.order(), from.identity());
    for generator in from.generators() {
        let Ok(()) = closure.add(generator, |x, y| Ok::<_, Infallible>(from.compose(x, y)));
        let steps = closure.steps.iter().map(|step| (step.from, step.generator, step.to)).collect();
        search.stages.push(Stage {
            generators: closure.generators.clone(),
            members: closure.members.clone(),
            steps,
            order: from.element_order(generator),
        });
    }
    search.extend(&mut Vec::new(), &to.element_orders())?;
    search.found.sort_unstable();
    Ok(search.found)
}

/// The subgroup of the first few generators.
struct Stage {
    generators: Vec<Elem>,
    members: Vec<Elem>,
    /// How each member but the identity is reached: from, generator, to.
    steps: Vec<(Elem, usize, Elem)>,
    /// The order of the last generator.
    order: usize,
}

struct Search<'a, G: ?Sized, H: ?Sized> {
    from: &'a G,
    to: &'a H,
    injective: bool,
    limit: usize,
    work: usize,
    stages: Vec<Stage>,
    found: Vec<Vec<Elem>>,
}

impl<G: Group + ?Sized, H: Group + ?Sized> Search<'_, G, H> {
    /// Tries every image of the next generator.
    fn extend(&mut self, images: &mut Vec<Elem>, orders: &[usize]) -> Result<(), TooMany> {
        if images.len() == self.stages.len() {
            if self.found.len() >= self.limit {
                return Err(TooMany::Found);
            }
            let map = self.map(images)?;
            self.found.extend(map);
            return Ok(());
        }
        let order = self.stages[images.len()].order;
        for image in self.to.elements() {
            let of_image = orders[image.index()];
            let fits = if self.injective { of_image == order } else { order.is_multiple_of(of_image) };
            if fits {
                images.push(image);
                let last = images.len() == self.stages.len();
                if last || self.map(images)?.is_some() {
                    self.extend(images, orders)?;
                }
                images.pop();
            }
        }
        Ok(())
    }

    /// The homomorphism with these images of the first generators on the subgroup they generate, if there is one.
    fn map(&mut self, images: &[Elem]) -> Result<Option<Vec<Elem>>, TooMany> {
        let identity = self.to.identity();
        let mut map = vec![identity; self.from.order()];
        let Some(stage) = images.len().checked_sub(1).map(|last| &self.stages[last]) else { return Ok(Some(map)) };
        let mut work = stage.members.len();
        for &(from, generator, to) in &stage.steps {
            map[to.index()] = self.to.compose(map[from.index()], images[generator]);
        }
        let mut fits = !self.injective || stage.members[1..].iter().all(|x| map[x.index()] != identity);
        for (&generator, &image) in stage.generators.iter().zip(images) {
            for &x in &stage.members {
                work += 1;
                let product = self.from.compose(x, generator);
                fits = fits && map[product.index()] == self.to.compose(map[x.index()], image);
                if !fits {
                    break;
                }
            }
        }
        self.work = self.work.checked_sub(work + map.len() / 8).ok_or(TooMany::Work)?;
        Ok(fits.then_some(map))
    }
}

/// The automorphisms of a group, as lists of images in lexicographic order; the product applies the right factor first.
pub(super) struct Automorphisms {
    pub maps: Vec<Vec<Elem>>,
    generators: Vec<Elem>,
    /// The row of each by its images of the generators.
    rows: HashMap<Vec<Elem>, usize>,
}

impl Automorphisms {
    /// The row of an automorphism.
    pub fn row(&self, map: impl Fn(Elem) -> Elem) -> Elem {
        let images: Vec<Elem> = self.generators.iter().map(|&g| map(g)).collect();
        Elem::new(self.rows[&images])
    }
}

impl Group for Automorphisms {
    fn order(&self) -> usize {
        self.maps.len()
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        let (x, y) = (&self.maps[x.index()], &self.maps[y.index()]);
        self.row(|g| x[y[g.index()].index()])
    }
}

/// The automorphisms of a group, at most `limit`; `name` is what they are wanted for.
pub(super) fn automorphisms(name: &GroupName, group: &NamedGroup, limit: usize) -> Result<Automorphisms> {
    // Of two generators and more the images are counted before; the lists are what takes memory.
    memory::check("the automorphisms of a group", memory::bytes::<Elem>(&[group.order(), limit.min(group.order())]))?;
    let maps = homomorphisms(group, group, true, limit).map_err(|reason| {
        let expected = format!("a group {} of at most {limit} automorphisms", group.group_name());
        match reason {
            TooMany::Found => Error::no_group(name, expected, "more"),
            TooMany::Work => Error::no_group(name, expected, "no end of the search for them"),
        }
    })?;
    let generators = group.generators();
    let key = |map: &Vec<Elem>| generators.iter().map(|g| map[g.index()]).collect();
    let rows = maps.iter().map(key).zip(0..).collect();
    Ok(Automorphisms { maps, generators, rows })
}

/// The semidirect product of a group and all its automorphisms.
pub(super) fn holomorph(name: &GroupName, group: NamedGroup) -> Result<GroupForm> {
    let limit = GroupName::MAX_ORDER / group.order();
    let found = automorphisms(name, &group, limit)?;
    let acting = NamedGroup::new(GroupName::Automorphisms(group.group_name().clone().into()), name.table(&found)?);
    semidirect(group, acting, |h, a| found.maps[h][a].index())
}
