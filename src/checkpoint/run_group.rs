use super::{GroupKind, Run};
use crate::error::{Error, Result};
use crate::fourier::CyclicSubgroupBasis;
use crate::group::{Alternating, Cyclic, Dihedral, Elem, Group, GroupExt, PermutationGroup, Symmetric};
use crate::irrep::{Irrep, Representation, alternating, cyclic, dihedral, irreps, symmetric};
use crate::memory;
use std::path::Path;

/// The group of a run, and the coordinates and names that its family has.
impl Run {
    /// The group in the element order of a file, and the permutations that its elements are; without a file,
    /// [`group`](Run::group).
    ///
    /// # Arguments
    /// `order`: a file of permutations, which a symmetric or alternating run needs.
    ///
    /// # Errors
    /// Those of [`PermutationGroup::from_json`] and of [`group`](Run::group); [`Error::Format`] naming the file of the order
    /// if its group is of another order or kind than the settings say, or its table is not the run's own;
    /// [`Error::InFile`] around [`Error::Memory`] where the table is over the budget.
    ///
    /// ```no_run
    /// use irreplens::{checkpoint::Run, fourier::IrrepBasis};
    /// let run = Run::open("runs/S5")?;
    /// let (group, permutations) = run.group_in_order(Some("orders/S5.json".as_ref()))?;
    /// let basis = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref())?)?; // (5), (4,1), ...
    /// let along = run.cyclic_basis(&group); // powers of a permutation of order 6
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn group_in_order(&self, order: Option<&Path>) -> Result<(Box<dyn Group>, Option<PermutationGroup>)> {
        let Some(path) = order else { return Ok((self.group()?, None)) };
        let (permutations, n) = (PermutationGroup::from_json(path)?, self.config.order()?);
        let other = |got: String| Error::Format { path: path.into(), expected: "the elements of the run's group", got };
        if permutations.order() != n {
            return Err(other(format!("{} elements, where the run's group has {n}", permutations.order())));
        }
        memory::check("a Cayley table", memory::bytes::<Elem>(&[n, n]))
            .map_err(|source| Error::InFile { path: path.into(), source: source.into() })?;
        let table = permutations.cayley_table().with_name(permutations.name());
        check_family(self.config.group, self.config.group_parameter, &table).map_err(other)?;
        if let Some(own) = self.table()?
            && own.table() != table.table()
        {
            return Err(other("a group whose table is not that of task.safetensors, row by row".into()));
        }
        Ok((Box::new(table), Some(permutations)))
    }

    /// Cosines and sines along the powers of an element: r of a cyclic or dihedral run, else an element of the largest order.
    ///
    /// # Arguments
    /// `group`: that of the run.
    #[must_use]
    pub fn cyclic_basis(&self, group: &(impl Group + ?Sized)) -> CyclicSubgroupBasis {
        let along = match self.config.group {
            GroupKind::CyclicGroup | GroupKind::DihedralGroup => group.element(1 % self.config.group_parameter),
            _ => {
                let orders = group.element_orders();
                let longest = group.elements().rev().max_by_key(|e| orders[e.index()]);
                longest.unwrap_or(group.identity())
            }
        };
        CyclicSubgroupBasis::new(group, along)
    }

    /// The irreps under the names that the group's family has for them, where it has any.
    ///
    /// # Arguments
    /// `group`, `permutations`: what [`group_in_order`](Run::group_in_order) returns.
    ///
    /// # Errors
    /// Those of [`irreps`]; [`Error::Memory`] over the budget.
    pub fn irreps(&self, group: &(impl Group + ?Sized), permutations: Option<&PermutationGroup>) -> Result<Vec<Irrep>> {
        let n = self.config.group_parameter;
        let of = |group: &dyn Group, found: Vec<Representation<f64>>| -> Result<Vec<Irrep>> {
            found.iter().map(|rho| rho.irrep(group)).collect()
        };
        let degree = permutations.map_or(0, PermutationGroup::degree);
        if permutations.is_none() && matches!(self.config.group, GroupKind::CyclicGroup | GroupKind::DihedralGroup) {
            // Of every frequency a matrix of the plane at every element, and the character.
            memory::check("irreps of all frequencies", memory::bytes::<f64>(&[3, group.order(), group.order()]))?;
        }
        match (self.config.group, permutations) {
            (GroupKind::CyclicGroup, None) => {
                let group = Cyclic::new(n)?;
                of(&group, cyclic(&group))
            }
            (GroupKind::DihedralGroup, None) => {
                let group = Dihedral::new(n)?;
                of(&group, dihedral(&group))
            }
            (GroupKind::SymmetricGroup, Some(permutations)) if (1..=7).contains(&degree) => {
                let all = Symmetric::new(degree)?;
                let found = of(&all, symmetric(&all))?;
                pulled_back(found, permutations, |p| all.find(p)).map_or_else(|| irreps(group), Ok)
            }
            (GroupKind::AlternatingGroup, Some(permutations)) if (1..=7).contains(&degree) => {
                let even = Alternating::new(degree)?;
                let found = of(&even, alternating(&even, 0)?)?;
                pulled_back(found, permutations, |p| even.find(p)).map_or_else(|| irreps(group), Ok)
            }
            _ => irreps(group),
        }
    }
}

/// Largest number of points whose permutations a run's group is held to.
const POINTS: usize = 7;

/// What is wrong if a group is not of a kind, in whatever order its elements stand: cyclic and dihedral groups are told by
/// their generators, symmetric and alternating ones of up to 7 points by the orders of elements and the sizes of their
/// conjugacy classes.
pub(super) fn check_family(kind: GroupKind, n: usize, group: &dyn Group) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("another group of order {}: {what}", group.order()));
    match kind {
        GroupKind::CyclicGroup if !group.element_orders().contains(&n) => wrong(&format!("no element has order {n}")),
        GroupKind::DihedralGroup => {
            let orders = group.element_orders();
            let turn = group.elements().find(|r| orders[r.index()] == n);
            let Some(turn) = turn else { return wrong(&format!("no element has order {n}")) };
            let mut turns = vec![false; group.order()];
            (0..n as i64).for_each(|k| turns[group.power(turn, k).index()] = true);
            let reflects = |s: Elem| orders[s.index()] == 2 && group.conjugate(turn, s) == group.inverse(turn);
            match group.elements().any(|s| !turns[s.index()] && reflects(s)) {
                true => Ok(()),
                false => wrong(&format!("no element of order 2 reflects the one of order {n}")),
            }
        }
        GroupKind::SymmetricGroup if n <= POINTS => same_classes(group, &Symmetric::new(n).map_err(|e| e.to_string())?),
        GroupKind::AlternatingGroup if n <= POINTS => {
            same_classes(group, &Alternating::new(n).map_err(|e| e.to_string())?)
        }
        _ => Ok(()),
    }
}

fn same_classes(group: &dyn Group, family: &dyn Group) -> Result<(), String> {
    let classes = |group: &dyn Group| {
        let of = |class: &Vec<Elem>| (group.element_order(class[0]), class.len());
        let mut all: Vec<(usize, usize)> = group.conjugacy_classes().iter().map(of).collect();
        all.sort_unstable();
        all
    };
    match classes(group) == classes(family) {
        true => Ok(()),
        false => Err(format!("another group of order {} than {}", group.order(), family.name())),
    }
}

/// The irreps at the permutations in the order of a file; `None` unless they are all of the family's.
fn pulled_back(
    found: Vec<Irrep>,
    permutations: &PermutationGroup,
    find: impl Fn(&[usize]) -> Option<Elem>,
) -> Option<Vec<Irrep>> {
    let map: Vec<Elem> = permutations.elements().map(|x| find(permutations.permutation(x))).collect::<Option<_>>()?;
    (map.len() == found[0].character.len()).then(|| found.iter().map(|irrep| irrep.pulled_back(&map)).collect())
}
