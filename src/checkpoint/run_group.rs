//! The group of a run, the element orders that it can have, its coordinates, and the names of its family.

use super::rules::bad;
use super::run::CONFIG;
use super::{GroupKind, Run, RunConfig, task_file};
use crate::error::{Error, Result};
use crate::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use crate::group::{
    Alternating, CayleyTable, Cyclic, Dihedral, Elem, Fingerprint, Group, GroupExt, GroupForm, GroupName, NamedGroup,
    PermutationGroup, Symmetric,
};
use crate::irrep::{Irrep, Representation, alternating, cyclic, dihedral, irreps, symmetric};
use crate::memory;
use serde_json::Value;
use std::path::Path;

/// Cosets of the longest cyclic subgroup up to which a run is looked at along it; beyond, in irreps.
const SECTORS: usize = 2;

/// The key of the settings that names the order of a group's elements.
pub(crate) const ELEMENT_ORDER: &str = "element_order";

/// The element orders that have a name.
pub(crate) const SYMPY: &str = "sympy";
const LEXICOGRAPHIC: &str = "lexicographic";

/// An error about an element order, with how to give one.
fn explained(source: Error) -> Error {
    Error::ElementOrder { source: Box::new(source) }
}

/// The group of a run, and the coordinates and names that its family has.
impl Run {
    /// The group in an element order, and the permutations that its elements are; without an order the one that
    /// `element_order` in the settings names, else [`group`](Run::group).
    ///
    /// # Arguments
    /// `order`, which a symmetric or alternating run needs: `sympy` ([`Symmetric::in_sympy_order`] or
    /// [`Alternating::in_sympy_order`]), `lexicographic` ([`Symmetric`], [`Alternating`]), or a file of permutations
    /// ([`PermutationGroup::from_json`]). A file of such a name is given as `./sympy`.
    ///
    /// # Errors
    /// [`Error::ElementOrder`] around whatever is wrong with the order: those of [`PermutationGroup::from_json`];
    /// [`Error::Format`] for a group of another order or kind than the settings', or in another order than its own table;
    /// [`Error::InFile`] around [`Error::Memory`] where the table is over the budget. Those of [`group`](Run::group).
    ///
    /// ```no_run
    /// use irreplens::{checkpoint::Run, fourier::IrrepBasis};
    /// let run = Run::open("runs/S5")?;
    /// let (group, permutations) = run.group_in_order(Some("sympy".as_ref()))?;
    /// let basis = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref())?)?; // (5), (4,1), ...
    /// let along = run.cyclic_basis(&group); // powers of a permutation of order 6
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn group_in_order(&self, order: Option<&Path>) -> Result<(Box<dyn Group>, Option<PermutationGroup>)> {
        let permutations = match order {
            Some(order) => self.permutations(order).map_err(explained)?,
            None => match self.named_order()? {
                Some(named) => named,
                None => return Ok((self.group()?, None)),
            },
        };
        let (n, degree) = (permutations.order(), permutations.degree());
        let path = order.map_or_else(|| self.directory().join(CONFIG), Path::to_path_buf);
        let other = |got: String| explained(Error::format(&path, "the elements of the run's group", got));
        let expected = self.config.order()?;
        if n != expected {
            return Err(other(format!("{n} permutations of {degree} points, where the group has {expected} elements")));
        }
        memory::check("a Cayley table", memory::bytes::<Elem>(&[n, n])).map_err(Error::in_file(&path))?;
        let table = permutations.cayley_table().with_name(permutations.name());
        check_family(&self.config.group, self.config.group_parameter, &table).map_err(&other)?;
        if self.table_fingerprint()?.is_some_and(|own| own != table.fingerprint()) {
            return Err(other("a group whose table is not that of task.safetensors, row by row".into()));
        }
        Ok((Box::new(table), Some(permutations)))
    }

    /// The permutations of the settings' group in an order with a name, or in that of a file.
    fn permutations(&self, order: &Path) -> Result<PermutationGroup> {
        let (kind, n) = (&self.config.group, self.config.group_parameter);
        let found = match (kind, order.to_str()) {
            (GroupKind::SymmetricGroup, Some(SYMPY)) => Symmetric::in_sympy_order(n)?,
            (GroupKind::AlternatingGroup, Some(SYMPY)) => Alternating::in_sympy_order(n)?,
            (GroupKind::SymmetricGroup, Some(LEXICOGRAPHIC)) => Symmetric::new(n)?.as_permutations()?,
            (GroupKind::AlternatingGroup, Some(LEXICOGRAPHIC)) => Alternating::new(n)?.as_permutations()?,
            (_, Some(SYMPY | LEXICOGRAPHIC)) => {
                let needs = "a symmetric or alternating group in the settings of the run";
                return Err(Error::Unsupported { analysis: "an element order by name", needs });
            }
            _ => PermutationGroup::from_json(order)?,
        };
        Ok(found)
    }

    /// The group in the order that `element_order` in the settings of a symmetric or alternating run names.
    pub(super) fn named_order(&self) -> Result<Option<PermutationGroup>> {
        if !matches!(self.config.group, GroupKind::SymmetricGroup | GroupKind::AlternatingGroup) {
            return Ok(None);
        }
        match self.config.other.get(ELEMENT_ORDER) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) if name == SYMPY || name == LEXICOGRAPHIC => {
                self.permutations(name.as_ref()).map_err(explained).map(Some)
            }
            other => Err(bad(&self.directory().join(CONFIG), ELEMENT_ORDER, "sympy or lexicographic", other)),
        }
    }

    /// The fingerprint of the table in the run's own files, not checked to be a group's.
    fn table_fingerprint(&self) -> Result<Option<Fingerprint>> {
        if let Some(found) = &self.found {
            return Ok(Some(found.table.fingerprint()));
        }
        let Some(path) = self.task_file()? else { return Ok(None) };
        let order = self.config.order()?;
        let Some(table) = task_file::entries(&path, order, false)? else { return Ok(None) };
        if table.iter().any(|&entry| entry >= order) {
            return task_file::table(&path, order, false).map(|_| None); // the error that this is
        }
        Ok(Some(Fingerprint::of_product(order, |x, y| Elem::new(table[[x.index(), y.index()]]))))
    }

    /// The fingerprint of the group, where the run says which it is and in what order its elements stand.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        let (kind, n) = (&self.config.group, self.config.group_parameter);
        match (self.table_fingerprint(), kind) {
            (Ok(None), GroupKind::CyclicGroup) => Some(Cyclic::new(n).ok()?.fingerprint()),
            (Ok(None), GroupKind::DihedralGroup) => Some(Dihedral::new(n).ok()?.fingerprint()),
            (Ok(None), GroupKind::Named(name)) => Some(name.build().ok()?.fingerprint()),
            (Ok(None), _) => Some(self.named_order().ok()??.fingerprint()),
            (found, _) => found.ok()?,
        }
    }

    /// Cosines and sines along the powers of an element: r of a cyclic or dihedral run in its family's order, else the first
    /// element of the largest order.
    ///
    /// # Arguments
    /// `group`: that of the run.
    #[must_use]
    pub fn cyclic_basis(&self, group: &(impl Group + ?Sized)) -> CyclicSubgroupBasis {
        let n = self.config.group_parameter;
        let r = match self.config.group {
            GroupKind::CyclicGroup | GroupKind::DihedralGroup => Some(group.element(1 % group.order().min(n))),
            _ => None,
        };
        // A table may have the elements in another order.
        let along = r.filter(|&r| group.element_order(r) == n).unwrap_or_else(|| {
            let orders = group.element_orders();
            let longest = group.elements().rev().max_by_key(|e| orders[e.index()]);
            longest.unwrap_or(group.identity())
        });
        CyclicSubgroupBasis::new(group, along)
    }

    /// The coordinates that a run is looked at in, one rule for all: along the powers of an element
    /// ([`cyclic_basis`](Run::cyclic_basis)) where these have at most two cosets, as in every cyclic and dihedral group;
    /// else in the irreps of the whole group ([`irreps`](Run::irreps)). [`FourierBasis::name`] says which.
    ///
    /// # Arguments
    /// `group`, `permutations`: what [`group_in_order`](Run::group_in_order) returns.
    ///
    /// # Errors
    /// The errors of [`irreps`](Run::irreps) and [`IrrepBasis::from_irreps`].
    pub fn basis(
        &self,
        group: &(impl Group + ?Sized),
        permutations: Option<&PermutationGroup>,
    ) -> Result<Box<dyn FourierBasis>> {
        Ok(match self.along(group) {
            Some(along) => Box::new(along),
            None => Box::new(IrrepBasis::from_irreps(group, self.irreps(group, permutations)?)?),
        })
    }

    /// The cyclic basis of a run that is looked at along one.
    pub(crate) fn along(&self, group: &(impl Group + ?Sized)) -> Option<CyclicSubgroupBasis> {
        Some(self.cyclic_basis(group)).filter(|along| along.sectors().len() <= SECTORS)
    }

    /// The irreps under the names that the group's family has for them, where it has any: for a cyclic or dihedral run in
    /// the library's element order, and for a symmetric or alternating one with a file of either rule of composition.
    ///
    /// # Arguments
    /// `group`, `permutations`: what [`group_in_order`](Run::group_in_order) returns.
    ///
    /// # Errors
    /// The errors of [`irreps`]; [`Error::NotAnIrrep`](crate::Error::NotAnIrrep) if `permutations` are not `group`'s.
    /// [`Error::Memory`] over the budget.
    pub fn irreps(&self, group: &(impl Group + ?Sized), permutations: Option<&PermutationGroup>) -> Result<Vec<Irrep>> {
        if let Some((named, images)) = self.found.as_ref().and_then(|found| found.named.as_ref()) {
            let mut rows = vec![group.identity(); group.order()];
            images.iter().zip(named.elements()).for_each(|(x, row)| rows[x.index()] = row);
            return match closed_form(named)? {
                Some(found) => found.iter().map(|irrep| irrep.pulled_back(group, &rows)).collect(),
                None => irreps(group),
            };
        }
        self.config.irreps(group, permutations)
    }
}

impl RunConfig {
    /// The irreps of the settings' group under the names of its family: [`Run::irreps`] of a run with these settings.
    fn irreps(&self, group: &(impl Group + ?Sized), permutations: Option<&PermutationGroup>) -> Result<Vec<Irrep>> {
        let n = self.group_parameter;
        if let GroupKind::Named(name) = &self.group {
            let named = name.build()?;
            if named.fingerprint() == group.fingerprint()
                && let Some(found) = closed_form(&named)?
            {
                return Ok(found);
            }
        }
        let degree = permutations.map_or(0, PermutationGroup::degree);
        if permutations.is_none() && matches!(self.group, GroupKind::CyclicGroup | GroupKind::DihedralGroup) {
            // Of every frequency a matrix of the plane at every element, and the character.
            memory::check("irreps of all frequencies", memory::bytes::<f64>(&[3, group.order(), group.order()]))?;
        }
        match (&self.group, permutations) {
            (GroupKind::CyclicGroup, None) if group.fingerprint() == Cyclic::new(n)?.fingerprint() => {
                let group = Cyclic::new(n)?;
                of(&group, cyclic(&group))
            }
            (GroupKind::DihedralGroup, None) if group.fingerprint() == Dihedral::new(n)?.fingerprint() => {
                let group = Dihedral::new(n)?;
                of(&group, dihedral(&group))
            }
            (GroupKind::SymmetricGroup, Some(permutations)) if (1..=7).contains(&degree) => {
                let all = Symmetric::new(degree)?;
                let found = of(&all, symmetric(&all))?;
                pulled_back(group, found, permutations, |p| all.find(p))?.map_or_else(|| irreps(group), Ok)
            }
            (GroupKind::AlternatingGroup, Some(permutations)) if (1..=7).contains(&degree) => {
                let even = Alternating::new(degree)?;
                let found = of(&even, alternating(&even, 0)?)?;
                pulled_back(group, found, permutations, |p| even.find(p))?.map_or_else(|| irreps(group), Ok)
            }
            _ => irreps(group),
        }
    }

    /// The group that is trained on by these settings, and its irreps under the names of its family.
    ///
    /// # Errors
    /// The errors of [`GroupKind::build`] and of [`irreps`].
    ///
    /// ```
    /// use irreplens::checkpoint::RunConfig;
    ///
    /// let settings: RunConfig = serde_json::from_str(r#"{"group": "SymmetricGroup", "group_parameter": 4}"#)?;
    /// let (_, irreps) = settings.group_and_irreps()?;
    /// assert!(irreps.iter().any(|irrep| irrep.label == "(3,1)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_and_irreps(&self) -> Result<(Box<dyn Group>, Vec<Irrep>)> {
        let permutations = match self.group {
            GroupKind::SymmetricGroup => Some(Symmetric::in_sympy_order(self.group_parameter)?),
            GroupKind::AlternatingGroup => Some(Alternating::in_sympy_order(self.group_parameter)?),
            _ => None,
        };
        let group = self.group.build(self.group_parameter)?;
        let irreps = self.irreps(&group, permutations.as_ref())?;
        Ok((group, irreps))
    }
}

/// The irreps of representations of a group.
fn of(group: &dyn Group, found: Vec<Representation<f64>>) -> Result<Vec<Irrep>> {
    found.iter().map(|rho| rho.irrep(group)).collect()
}

/// The irreps of a family's member, with the family's names; `None` for other groups.
fn closed_form(named: &NamedGroup) -> Result<Option<Vec<Irrep>>> {
    Ok(Some(match named.form() {
        GroupForm::Cyclic(group) => of(group, cyclic(group))?,
        GroupForm::Dihedral(group) => of(group, dihedral(group))?,
        GroupForm::Symmetric(group) => of(group, symmetric(group))?,
        GroupForm::Alternating(group) => of(group, alternating(group, 0)?)?,
        _ => return Ok(None),
    }))
}

/// The family and the parameter of a symmetric or alternating group, if another has its elements in SymPy's order of them.
pub(super) fn in_sympy_order(named: &NamedGroup, group: &CayleyTable) -> Result<Option<(GroupKind, usize)>> {
    let (kind, n, order) = match *named.group_name() {
        GroupName::Symmetric(n) => (GroupKind::SymmetricGroup, n, Symmetric::in_sympy_order(n)?),
        GroupName::Alternating(n) => (GroupKind::AlternatingGroup, n, Alternating::in_sympy_order(n)?),
        _ => return Ok(None),
    };
    Ok((order.fingerprint() == group.fingerprint()).then_some((kind, n)))
}

/// Largest number of points whose permutations a run's group is held to.
const POINTS: usize = 7;

/// What is wrong if a group is not of a kind, in whatever order its elements stand: cyclic and dihedral groups are told by
/// their generators, symmetric and alternating ones of up to 7 points by the orders of elements and the sizes of their
/// conjugacy classes.
pub(super) fn check_family(kind: &GroupKind, n: usize, group: &dyn Group) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("another group of order {}: {what}", group.order()));
    match kind {
        GroupKind::Named(name) => match name.build() {
            Ok(named) if named.fingerprint() == group.fingerprint() => Ok(()),
            Ok(_) => wrong(&format!("its table is not that of {name}, row by row")),
            Err(error) => Err(error.to_string()),
        },
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

/// The irreps at the permutations in the order of a file, whatever its rule; `None` unless they are all of the family's.
fn pulled_back(
    group: &(impl Group + ?Sized),
    found: Vec<Irrep>,
    permutations: &PermutationGroup,
    find: impl Fn(&[usize]) -> Option<Elem>,
) -> Result<Option<Vec<Irrep>>> {
    let map: Option<Vec<Elem>> = permutations.elements().map(|x| find(permutations.permutation(x))).collect();
    let map = map.filter(|map| map.len() == found[0].character.len());
    map.map(|map| found.iter().map(|irrep| irrep.pulled_back(group, &map)).collect()).transpose()
}
