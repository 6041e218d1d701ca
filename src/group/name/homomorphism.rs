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
    let by = |&g: &Elem| from.elements().map(|x| from.compose(x, g)).collect();
    let mut search = Search {
        to,
        injective,
        limit,
        work: WORK,
        identity: from.identity(),
        products: generators.iter().map(by).collect(),
        found: Vec::new(),
    };
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
    /// The identity of the group that is mapped.
    identity: Elem,
    /// Its products with each generator on the right.
    products: Vec<Vec<Elem>>,
    found: Vec<Vec<Elem>>,
}

impl<H: Group + ?Sized> Search<'_, H> {
    /// Tries every image of the next generator.
    fn extend(&mut self, images: &mut Vec<Elem>, candidates: &[Vec<Elem>]) -> Result<(), TooMany> {
        let Some(map) = self.map(images)? else { return Ok(()) };
        if images.len() == candidates.len() {
            if self.found.len() >= self.limit {
                return Err(TooMany::Found);
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
        let n = self.products.first().map_or(1, Vec::len);
        let mut map = vec![None; n];
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
        self.work = self.work.checked_sub(images.len() * next + n / 8 + 1).ok_or(TooMany::Work)?;
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
    let generators = few_generators(group);
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
