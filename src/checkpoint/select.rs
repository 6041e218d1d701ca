//! Which of a file's tensors are the weights: the rule that picks one state dict out of all there are.
//!
//! A state dict is what lies together under one path: a dictionary, a module's parameters, or the keys of a dictionary
//! that share what stands before their names (`module.W_x`, `module.W_y`). It fits if it holds every name that is looked for.
//! 1. State dicts that differ only in a position of a list, a numbered key or an epoch's key (`checkpoints[0]`,
//!    `checkpoints[1]`, ...) are a history, which stands for its last.
//! 2. If there is one, or one history, it is taken.
//! 3. If there are several, the one whose path has only the usual words in it ([`USUAL`]; none at the top) is taken.
//! 4. Else the file is refused, with the paths to choose from.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::{in_words, shown};
use super::listing::{Listing, Place, Step};
use super::optimiser::STATES;
use super::pickle::Value;
use crate::error::{Error, Result, nearest};

/// Words under which a file has the weights themselves.
const USUAL: [&str; 17] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model_dict",
    "model_weights",
    "model",
    "net",
    "net_state_dict",
    "network",
    "weights",
    "params",
    "parameters",
    "state",
    "module",
    "_orig_mod",
    "_forward_module",
    "_fsdp_wrapped_module",
];
/// Words before the number in a key of a history.
const STEPS: [&str; 8] = ["", "epoch", "step", "iter", "iteration", "checkpoint", "ckpt", "e"];

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    /// The alternative names of each tensor that is needed; none if any state dict will do.
    pub(super) names: &'a [Vec<&'a str>],
    /// The path of the state dict, or of what it lies in, where the caller chose; `.` is the top.
    pub(super) entry: Option<&'a str>,
}

impl Wanted<'_> {
    pub(super) fn needs(&self, name: &str) -> bool {
        self.names.iter().any(|names| names.contains(&name))
    }
}

#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) place: u32,
    /// What the keys start with there, without the dot behind it.
    pub(super) prefix: &'a str,
    /// What a reader ought to know.
    pub(super) notes: Vec<String>,
}

/// A state dict: a place and what the keys there start with.
type Group<'a> = (u32, &'a str);

/// Picks the state dict of a file by the rule above; `None` if it has no tensor that is looked for.
pub(super) fn choose<'a>(listing: &Listing<'a>, wanted: &Wanted<'_>, path: &Path) -> Result<Option<Choice<'a>>> {
    // Of every state dict, which of the names it has: bit by bit.
    let mut groups: BTreeMap<Group<'a>, u64> = BTreeMap::new();
    for name in &listing.names {
        let key = listing.key(name);
        if wanted.names.is_empty() {
            if matches!(name.value, Value::Tensor(_)) {
                groups.entry((listing.root(name.place), "")).or_default();
            }
            continue;
        }
        // As many names as a number has bits tell state dicts apart.
        for (role, names) in wanted.names.iter().enumerate().take(64) {
            for prefix in names.iter().filter_map(|name| prefix_of(key, name)) {
                *groups.entry((name.place, prefix)).or_default() |= 1 << role;
            }
            // `lembed.weight` of a module saved whole: the parameter `weight` of its module `lembed`.
            let is_in = |module: &str| names.iter().any(|name| name.split_once('.') == Some((module, key)));
            if let Some((outer, _)) = listing.in_module(name).filter(|(_, module)| is_in(module)) {
                *groups.entry((outer, "")).or_default() |= 1 << role;
            }
        }
    }
    if groups.is_empty() {
        return Ok(None);
    }
    if let Some(entry) = wanted.entry {
        let all: Vec<Group<'a>> = groups.keys().copied().collect();
        let exact = groups.keys().any(|&group| is_at(&path_of(listing, group), entry, true));
        groups.retain(|&group, _| is_at(&path_of(listing, group), entry, exact));
        if groups.is_empty() {
            let paths: Vec<String> = all.iter().take(1000).map(|&group| path_of(listing, group)).collect();
            let hint = nearest(&[entry], paths.iter().map(String::as_str));
            let hint = hint.map_or_else(String::new, |name| format!("; the nearest is `{}`", shown(name)));
            let got = format!("no `{}`{hint}; there are {}", shown(entry), in_words(&paths, all.len()));
            return Err(Error::format(path, "an entry with the weights", got));
        }
    }
    // Those that fit, else those that come nearest to it: what is missing is then named.
    groups.retain(|&group, _| wanted.entry.is_some() || !is_optimiser(listing, group));
    let most = groups.values().map(|roles| roles.count_ones()).max().unwrap_or(0);
    groups.retain(|_, roles| roles.count_ones() == most);
    let mut families: BTreeMap<(u32, &'a str), Vec<Group<'a>>> = BTreeMap::new();
    let mut interned = BTreeMap::new();
    for &group in groups.keys() {
        families.entry((family(listing, group.0, &mut interned), group.1)).or_default().push(group);
    }
    let mut families: Vec<Vec<Group<'a>>> = families.into_values().collect();
    let found = match families.len() {
        0 => return Ok(None),
        1 => 0,
        _ => {
            let usual = |members: &Vec<Group<'a>>| members.len() == 1 && is_usual(listing, members[0]);
            // Without names to go by, tensors beside a state dict do not hide it.
            let hidden = |members: &Vec<Group<'a>>| wanted.names.is_empty() && members[0] == (0, "");
            let mut usual = families.iter().enumerate().filter(|(_, members)| usual(members) && !hidden(members));
            match (usual.next(), usual.next()) {
                (Some((found, _)), None) => found,
                _ if (most as usize) < wanted.names.len() => return Ok(None),
                _ => {
                    let got = families.iter().take(1000).map(|members| {
                        let path = path_of(listing, last(listing, members));
                        match members.len() {
                            1 => format!("`{path}`"),
                            count => format!("`{path}` (the last of {count})"),
                        }
                    });
                    let how = "name the one to read behind the path, as PATH#NAME, or call `Run::open_entry`";
                    let (path, got) = (path.into(), got.collect());
                    return Err(Error::SeveralWeights { path, what: "state dict", got, how });
                }
            }
        }
    };
    let members = families.swap_remove(found);
    let group = last(listing, &members);
    let mut notes = Vec::new();
    let taken = shown(&path_of(listing, group));
    if members.len() > 1 {
        notes.push(format!("the weights are `{taken}`, the last of {} in a history", members.len()));
    }
    if !families.is_empty() && !wanted.names.is_empty() {
        let others = families.iter().map(|members| path_of(listing, last(listing, members)));
        notes.push(format!("the weights are `{taken}`; not read: {}", in_words(others, families.len())));
    }
    Ok(Some(Choice { place: group.0, prefix: group.1, notes }))
}

/// What stands before a name in a key, without the dot between them; `None` if the key does not end in the name.
fn prefix_of<'a>(key: &'a str, name: &str) -> Option<&'a str> {
    let before = key.strip_suffix(name)?;
    if before.is_empty() { Some("") } else { before.strip_suffix('.') }
}

/// The path of a state dict; `.` at the top.
fn path_of(listing: &Listing<'_>, (place, prefix): Group<'_>) -> String {
    match (listing.path(0, place), prefix) {
        (path, "") if path.is_empty() => ".".into(),
        (path, "") => path,
        (path, prefix) if path.is_empty() => prefix.into(),
        (path, prefix) => format!("{path}.{prefix}"),
    }
}

/// Whether a path is the entry asked for or, unless it must be exact, lies in it.
fn is_at(path: &str, entry: &str, exact: bool) -> bool {
    match path.strip_prefix(entry) {
        Some(rest) => rest.is_empty() || !exact && rest.starts_with(['.', '[']),
        None => !exact && entry == ".",
    }
}

/// Whether only the usual words lead to a state dict.
fn is_usual(listing: &Listing<'_>, (place, prefix): Group<'_>) -> bool {
    let step = |here: &Place| matches!(here.step, Step::Key(key) if USUAL.contains(&listing.texts[key as usize]));
    listing.way(0, place).iter().all(step) && (prefix.is_empty() || prefix.split('.').all(|word| USUAL.contains(&word)))
}

/// Whether it is the state of an optimiser, whose tensors may have the weights' names.
fn is_optimiser(listing: &Listing<'_>, (place, prefix): Group<'_>) -> bool {
    let is = |word: &str| word == "optim" || STATES.contains(&word) || word.starts_with("optimizer");
    let step = |here: &Place| matches!(here.step, Step::Key(key) if is(listing.texts[key as usize]));
    listing.way(0, place).iter().any(step) || prefix.split('.').any(is)
}

/// The number by which a place is one of a history; modules numbered in a module are not.
fn number(listing: &Listing<'_>, here: &Place) -> Option<i64> {
    match here.step {
        _ if here.is_child => None,
        Step::Number(n) => Some(n.into()),
        Step::Item(n) => Some(n.into()),
        Step::Key(key) => {
            let text = listing.texts[key as usize];
            let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
            let word = stem.trim_end_matches(['_', '-', ' ', '=', ':']).to_ascii_lowercase();
            if STEPS.contains(&&*word) { text[stem.len()..].parse().ok() } else { None }
        }
        Step::Top | Step::Part(_) => None,
    }
}

/// A step by its text; without either, a step of a history.
type Kind<'a> = (Option<&'a str>, Option<Step>);

/// A number that is the same for the places of one history.
fn family<'a>(listing: &Listing<'a>, place: u32, interned: &mut BTreeMap<(u32, Kind<'a>), u32>) -> u32 {
    let mut family = 0;
    for here in listing.way(0, place) {
        let next = interned.len() as u32 + 1;
        let kind = match (number(listing, &here), here.step) {
            (Some(_), _) => (None, None),
            (None, Step::Key(key)) => (Some(listing.texts[key as usize]), None),
            (None, other) => (None, Some(other)),
        };
        family = *interned.entry((family, kind)).or_insert(next);
    }
    family
}

fn last<'a>(listing: &Listing<'a>, members: &[Group<'a>]) -> Group<'a> {
    let position = |group: &&Group<'a>| -> Vec<i64> {
        listing.way(0, group.0).iter().filter_map(|here| number(listing, here)).collect()
    };
    *members.iter().max_by_key(position).expect("a family has members")
}
