//! Homomorphisms and automorphisms by the images of generators.

use super::matrix::semidirect;
use super::{GroupForm, GroupName, NamedGroup};
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};
use crate::memory;
use std::collections::HashMap;

/// Products that a search takes, at most: some seconds.
const WORK: usize = 300_000_000;

/// Pairs of elements that are tried as generators.
const PAIRS: u64 = 64;

/// Why a search was given up.
pub(super) enum TooMany {
    Found,
    Work,
    Memory(Error),
}

impl TooMany {
    /// The error about the name that the search was for.
    pub fn of(self, name: &GroupName, expected: String) -> Error {
        match self {
            Self::Found => Error::no_group(name, expected, "more"),
            Self::Work => Error::no_group(name, expected, "no end of the search for them"),
            Self::Memory(error) => error,
        }
    }
}

/// All homomorphisms from one group to another, each the list of images, in lexicographic order; the injective ones alone if
/// these are wanted. At most `limit`.
pub(super) fn homomorphisms(
    from: &(impl Group + ?Sized),
    to: &(impl Group + ?Sized),
    injective: bool,
    limit: usize,
) -> Result<Vec<Vec<Elem>>, TooMany> {
    let generators = few_generators(from);
    let mut search = Search::new(from, to, &generators, injective, limit);
    let orders = to.element_orders();
    let fits = |order: usize, of_image: usize| match injective {
        true => of_image == order,
        false => order.is_multiple_of(of_image),
    };
    let candidates: Vec<Vec<Elem>> = (generators.iter())
        .map(|&g| {
            let order = from.element_order(g);
            to.elements().filter(|image| fits(order, orders[image.index()])).collect()
        })
        .collect();
    search.extend(&mut Vec::new(), &candidates)?;
    search.found.sort_unstable();
    Ok(search.found)
}

/// The homomorphism with these images of some generators, if there is one.
pub(super) fn homomorphism(
    from: &(impl Group + ?Sized),
    to: &(impl Group + ?Sized),
    generators: &[Elem],
    images: &[Elem],
) -> Option<Vec<Elem>> {
    let map = Search::new(from, to, generators, false, 1).map(images).ok().flatten()?;
    map.into_iter().collect()
}

/// Generators, of which there are two where a few tries find two: the search has less to try then.
fn few_generators(group: &(impl Group + ?Sized)) -> Vec<Elem> {
    let generators = group.generators();
    if generators.len() <= 2 {
        return generators;
    }
    let (n, orders) = (group.order() as u64, group.element_orders());
    let of_order = |x: Elem| orders.iter().filter(|&&order| order == orders[x.index()]).count();
    // Rows far from each other, the same ones each time.
    let row = |i: u64| Elem::new((i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % n as usize);
    let pairs = (1..=PAIRS).map(|i| vec![row(2 * i), row(2 * i + 1)]);
    let generating = pairs.filter(|pair| group.subgroup(pair).len() as u64 == n);
    generating.min_by_key(|pair| of_order(pair[0]) * of_order(pair[1])).unwrap_or(generators)
}

struct Search<'a, H: ?Sized> {
    to: &'a H,
    injective: bool,
    limit: usize,
    work: usize,
    /// The order and the identity of the group that is mapped.
    order: usize,
    identity: Elem,
    /// Its products with each generator on the right.
    products: Vec<Vec<Elem>>,
    found: Vec<Vec<Elem>>,
}

impl<'a, H: Group + ?Sized> Search<'a, H> {
    fn new(from: &(impl Group + ?Sized), to: &'a H, generators: &[Elem], injective: bool, limit: usize) -> Self {
        let by = |&g: &Elem| from.elements().map(|x| from.compose(x, g)).collect();
        let products = generators.iter().map(by).collect();
        Self {
            to,
            injective,
            limit,
            work: WORK,
            order: from.order(),
            identity: from.identity(),
            products,
            found: Vec::new(),
        }
    }

    /// Tries every image of the next generator.
    fn extend(&mut self, images: &mut Vec<Elem>, candidates: &[Vec<Elem>]) -> Result<(), TooMany> {
        let Some(map) = self.map(images)? else { return Ok(()) };
        if images.len() == candidates.len() {
            if self.found.len() >= self.limit {
                return Err(TooMany::Found);
            }
            if self.found.len().is_power_of_two() {
                let bytes = memory::bytes::<Elem>(&[2 * self.found.len(), map.len()]);
                memory::check("the homomorphisms of a group", bytes).map_err(TooMany::Memory)?;
            }
            self.found.push(map.into_iter().flatten().collect());
            return Ok(());
        }
        for &image in &candidates[images.len()] {
            images.push(image);
            self.extend(images, candidates)?;
            images.pop();
        }
        Ok(())
    }

    /// The homomorphism with these images of the first generators, on the subgroup they generate, if there is one: of every
    /// product with a generator the image is the product of the images.
    fn map(&mut self, images: &[Elem]) -> Result<Option<Vec<Option<Elem>>>, TooMany> {
        let identity = self.to.identity();
        let mut map = vec![None; self.order];
        map[self.identity.index()] = Some(identity);
        let (mut queue, mut next) = (vec![(self.identity, identity)], 0);
        let mut fits = true;
        while let Some(&(x, of_x)) = queue.get(next)
            && fits
        {
            for (products, &image) in self.products.iter().zip(images) {
                let (product, image) = (products[x.index()], self.to.compose(of_x, image));
                match map[product.index()] {
                    Some(known) => fits &= known == image,
                    None => {
                        fits &= !self.injective || image != identity;
                        map[product.index()] = Some(image);
                        queue.push((product, image));
                    }
                }
            }
            next += 1;
        }
        self.work = self.work.checked_sub(images.len() * next + self.order / 8 + 1).ok_or(TooMany::Work)?;
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
pub(super) fn automorphism_group(name: &GroupName, group: &NamedGroup, limit: usize) -> Result<Automorphisms> {
    let expected = || format!("a group {} of at most {limit} automorphisms", group.group_name());
    let maps = homomorphisms(group, group, true, limit).map_err(|reason| reason.of(name, expected()))?;
    let generators = few_generators(group);
    let key = |map: &Vec<Elem>| generators.iter().map(|g| map[g.index()]).collect();
    let rows = maps.iter().map(key).zip(0..).collect();
    Ok(Automorphisms { maps, generators, rows })
}

/// The automorphisms of a group: the bijections a of its elements with `a(x y) = a(x) a(y)`.
///
/// # Arguments
/// `limit`: how many there may be, at most.
///
/// # Returns
/// Each as the list of its images, element by element; in lexicographic order.
///
/// # Errors
/// [`Error::OverLimit`] for more, and for a group whose search is given up: after some seconds, or for want of memory.
///
/// Cost: the images of a few generators are tried, each at O(n) products for every one.
///
/// ```
/// use irreplens::group::{Cyclic, Dihedral, automorphisms};
///
/// assert_eq!(automorphisms(&Cyclic::new(7)?, 100)?.len(), 6); // multiplications by 1, ..., 6
/// assert_eq!(automorphisms(&Dihedral::new(5)?, 100)?.len(), 20);
/// assert!(automorphisms(&Dihedral::new(5)?, 19).is_err());
/// # Ok::<(), irreplens::Error>(())
/// ```
pub fn automorphisms(group: &(impl Group + ?Sized), limit: usize) -> Result<Vec<Vec<Elem>>> {
    let over = |_| Error::OverLimit { group: group.name(), what: "automorphisms", limit, got: limit.saturating_add(1) };
    homomorphisms(group, group, true, limit).map_err(over)
}

/// The semidirect product of a group and all its automorphisms.
pub(super) fn holomorph(name: &GroupName, group: NamedGroup) -> Result<GroupForm> {
    let limit = GroupName::MAX_ORDER / group.order();
    let found = automorphism_group(name, &group, limit)?;
    let acting = NamedGroup::new(GroupName::Automorphisms(group.group_name().clone().into()), name.table(&found)?);
    semidirect(group, acting, |h, a| found.maps[h][a].index())
}
