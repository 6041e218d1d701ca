//! Which of the names there are is most like one that is not there.

use crate::quoted::shown;

/// The name in `there` that is most like one of `wanted`: equal but for case, or a few letters away.
pub(crate) fn nearest<'a>(wanted: &[&str], there: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distances = there.flat_map(|name| wanted.iter().filter_map(move |want| Some((distance(want, name)?, name))));
    distances.min_by_key(|&(distance, _)| distance).map(|(_, name)| name)
}

/// The letters that two names differ in, without regard to case; `None` if they are not alike.
fn distance(a: &str, b: &str) -> Option<usize> {
    let letters = |text: &str| text.chars().take(65).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    if a.len().max(b.len()) > 64 {
        return None;
    }
    // Levenshtein's distance, row by row.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    let distance = row[b.len()];
    (2 * distance <= a.len().max(b.len())).then_some(distance)
}

/// The nearest of the tensors listed as `name (type shape)`, as the end of a sentence.
pub(super) fn nearest_of(expected: &[String], got: &[String]) -> String {
    let wanted: Vec<&str> = expected.iter().take(20).map(String::as_str).collect();
    let names = got.iter().take(1000).map(|text| text.rsplit_once(" (").map_or(&text[..], |(name, _)| name));
    nearest(&wanted, names).map_or_else(String::new, |name| format!("; the nearest name is `{}`", shown(name)))
}
