//! What the keys of a `cfg.json` must be, and who needs them.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::config::{GroupKind, LrDecay};
use super::file::shown;
use super::model_settings::ModelKind;
use super::optimiser::Optimiser;
use crate::error::{Error, Result};
use crate::model::Architecture;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Need {
    /// Whoever reads the run.
    Always,
    /// Whoever trains.
    Training,
    /// Nobody: it has a default.
    Never,
}
use Need::{Always, Never, Training};

/// What a key's value must be: key, who needs it, the range in words, the test.
pub(super) type Rule = (&'static str, Need, &'static str, fn(&Value) -> bool);

/// The key of the architecture, which recorded activations do not need.
pub(super) const MODEL: &str = "model";

/// The key of the group.
const GROUP: &str = "group";

const INTEGERS: [&str; 6] =
    ["group_parameter", "seed", "layers.embed_dim", "layers.hidden_dim", "warmup_epochs", "num_epochs"];

pub(super) const RULES: [Rule; 18] = [
    (
        MODEL,
        Training,
        "OneLayerMLP, OneLayerMLPwithBias, BetterOneLayerMLP, BetterTwoLayerMLP, BilinearNet, Transformer or a description",
        |v| v.is_object() || ModelKind::deserialize(v).is_ok(),
    ),
    (
        GROUP,
        Always,
        "CyclicGroup, DihedralGroup, SymmetricGroup, AlternatingGroup, CayleyTable or a group's name",
        |v| GroupKind::deserialize(v).is_ok(),
    ),
    ("group_parameter", Always, "an integer from 1 up", is_positive),
    ("seed", Training, "an integer from 0 up", is_whole),
    ("frac_train", Training, "a number above 0 and up to 1", |v| number(v).is_some_and(|x| x > 0.0 && x <= 1.0)),
    ("layers", Never, "an object", Value::is_object),
    ("layers.embed_dim", Never, "an integer from 1 up", is_positive),
    ("layers.hidden_dim", Never, "an integer from 1 up", is_positive),
    ("layers.output_bias", Never, "true or false", |v| v.is_boolean() || v.is_null()),
    ("lr", Training, "a number above 0", |v| number(v).is_some_and(|x| x > 0.0)),
    ("weight_decay", Training, "a number from 0 up", |v| number(v).is_some_and(|x| x >= 0.0)),
    ("optimiser", Never, r#"AdamW, Adam or {"SGD": {"momentum": a number from 0 up and below 1}}"#, |v| {
        Optimiser::deserialize(v).is_ok_and(|optimiser| optimiser.is_in_range())
    }),
    ("betas", Never, "two numbers from 0 up and below 1", |v| {
        let beta = |v| number(v).is_some_and(|x| (0.0..1.0).contains(&x));
        v.as_array().is_some_and(|b| b.len() == 2 && b.iter().all(beta))
    }),
    ("eps", Never, "a number above 0", |v| number(v).is_some_and(|x| x > 0.0)),
    ("warmup_epochs", Never, "an integer from 0 up", is_whole),
    ("lr_decay", Never, "constant, linear or cosine", |v| LrDecay::deserialize(v).is_ok()),
    ("label_smoothing", Never, "a number from 0 up and below 1", |v| {
        number(v).is_some_and(|x| (0.0..1.0).contains(&x))
    }),
    ("num_epochs", Training, "an integer from 0 up", is_whole),
];

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|x| x.is_finite())
}

/// A whole number from 0 up, also as Python writes one that was computed: 100000.0.
fn whole(value: &Value) -> Option<u64> {
    let exact = |x: &f64| (0.0..=9_007_199_254_740_992.0).contains(x) && x.fract() == 0.0;
    value.as_u64().or_else(|| value.as_f64().filter(exact).map(|x| x as u64))
}

fn is_whole(value: &Value) -> bool {
    whole(value).is_some()
}

fn is_positive(value: &Value) -> bool {
    whole(value).is_some_and(|n| n > 0 && usize::try_from(n).is_ok())
}

/// Leaves out nulls of known keys and makes whole numbers of floats like 100000.0; whoever calls has checked them.
pub(super) fn tidy(config: &mut Value) {
    for (key, ..) in RULES {
        let (outer, inner) = key.split_once('.').map_or((None, key), |(outer, inner)| (Some(outer), inner));
        let object = match outer {
            Some(outer) => config.get_mut(outer).and_then(Value::as_object_mut),
            None => config.as_object_mut(),
        };
        let Some(object) = object else { continue };
        match object.get(inner) {
            Some(Value::Null) => drop(object.shift_remove(inner)),
            Some(value) if INTEGERS.contains(&key) => {
                if let Some(n) = whole(value) {
                    object.insert(inner.into(), n.into());
                }
            }
            _ => {}
        }
    }
}

/// Where a `NaN` or `Infinity` outside of texts stands, in words.
pub(super) fn not_a_number(bytes: &[u8]) -> Option<String> {
    let (mut in_text, mut at) = (false, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if in_text => at += 1,
            b'"' => in_text = !in_text,
            b'N' | b'I' if !in_text => {
                let word = ["NaN", "Infinity"].into_iter().find(|word| bytes[at..].starts_with(word.as_bytes()));
                if let Some(word) = word {
                    let before = &bytes[..at];
                    let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
                    let column = 1 + before.iter().rev().take_while(|&&b| b != b'\n').count();
                    return Some(format!(
                        "{word} at line {line} column {column}, which JSON does not have: write null"
                    ));
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

pub(super) fn bad(path: &Path, key: &'static str, expected: &'static str, value: Option<&Value>) -> Error {
    let got = value.map_or_else(|| "nothing".into(), |v| shown(&v.to_string()));
    Error::Config { path: path.into(), key, expected, got }
}

/// [`Error::Config`] for the first key that is missing or out of its range, of all that analysis or training needs.
pub(super) fn check(config: &Value, path: &Path, training: bool) -> Result<()> {
    let Value::Object(_) = config else {
        return Err(Error::format(path, "a run's settings as a JSON object", "another JSON value"));
    };
    let find = |key: &str| key.split('.').try_fold(config, |v, part| v.get(part));
    let group = find(GROUP).map(GroupKind::deserialize);
    let has_name = matches!(group, Some(Ok(GroupKind::Named(_))));
    for (key, need, expected, test) in RULES {
        let value = find(key);
        let fits = match value {
            value if has_name && key == "group_parameter" => value.is_none_or(Value::is_null),
            None | Some(Value::Null) => need == Never || need == Training && !training,
            Some(value) => test(value),
        };
        match &group {
            _ if fits => {}
            Some(Err(reason)) if key == GROUP && value.is_some_and(Value::is_string) => {
                let got = shown(&format!("{}: {reason}", value.unwrap_or(&Value::Null)));
                return Err(Error::Config { path: path.into(), key, expected, got });
            }
            _ if has_name && key == "group_parameter" => {
                return Err(bad(path, key, "nothing beside a group's name", value));
            }
            _ => return Err(bad(path, key, expected, value)),
        }
    }
    if let Some(described) = config.get(MODEL).filter(|model| model.is_object())
        && let Err(error) = Architecture::deserialize(described)
    {
        let expected = "a description in `model`: steps, each with a name and what it computes, and neurons";
        return Err(Error::format(path, expected, shown(&error.to_string())));
    }
    let named = config.get(MODEL).and_then(|model| ModelKind::deserialize(model).ok());
    let needs_layers = named.is_some_and(|kind| kind != ModelKind::Transformer);
    for (key, expected, needed) in [
        ("layers", "an object", needs_layers),
        ("layers.embed_dim", "an integer from 1 up", needs_layers),
        ("layers.hidden_dim", "an integer from 1 up, which this model needs", named.is_some_and(ModelKind::has_hidden)),
    ] {
        if training && needed && find(key).is_none_or(Value::is_null) {
            return Err(bad(path, key, expected, None));
        }
    }
    if let (Some(Ok(group)), Some(n)) = (group, config.get("group_parameter"))
        && whole(n).and_then(|n| usize::try_from(n).ok()).is_some_and(|n| group.order(n).is_err())
    {
        return Err(bad(path, "group_parameter", "a group whose order fits in usize", Some(n)));
    }
    Ok(())
}
