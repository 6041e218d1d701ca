//! Comparison of JSON trees of numbers.
#![allow(dead_code)]

use serde_json::Value;

/// How far a number may be off.
#[derive(Clone, Copy)]
pub struct Tolerance {
    /// Times the expected number.
    pub relative: f64,
    /// Times the largest number of the array it stands in.
    pub of_largest: f64,
}

/// The largest absolute value of the numbers in a tree.
pub fn largest(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().unwrap().abs(),
        Value::Array(items) => items.iter().map(largest).fold(0.0, f64::max),
        Value::Object(entries) => entries.values().map(largest).fold(0.0, f64::max),
        _ => 0.0,
    }
}

/// Every difference between two trees, each with its path (`/` before every key and index), expected and got.
///
/// Arrays must have the same lengths and objects the same keys; integers, truth values, texts and nulls must be equal;
/// other numbers equal within the tolerance.
pub fn differences(expected: &Value, got: &Value, tolerance: Tolerance) -> Vec<String> {
    let mut found = Vec::new();
    walk(expected, got, tolerance, tolerance.of_largest * largest(expected), "", &mut found);
    found
}

fn walk(expected: &Value, got: &Value, tolerance: Tolerance, floor: f64, path: &str, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Array(e), Value::Array(g)) if e.len() == g.len() => {
            for (i, (e, g)) in e.iter().zip(g).enumerate() {
                walk(e, g, tolerance, floor, &format!("{path}/{i}"), found);
            }
        }
        (Value::Array(e), Value::Array(g)) => {
            found.push(format!("{path}: expected {} entries, got {}", e.len(), g.len()));
        }
        (Value::Object(e), Value::Object(g)) => {
            for (key, e) in e {
                match g.get(key) {
                    // Arrays under different keys have different scales.
                    Some(g) if e.is_array() => {
                        walk(e, g, tolerance, tolerance.of_largest * largest(e), &format!("{path}/{key}"), found);
                    }
                    Some(g) => walk(e, g, tolerance, floor, &format!("{path}/{key}"), found),
                    None => found.push(format!("{path}/{key}: expected a value, got no such key")),
                }
            }
            for key in g.keys().filter(|key| !e.contains_key(*key)) {
                found.push(format!("{path}/{key}: expected no such key, got one"));
            }
        }
        (Value::Number(e), Value::Number(g)) if e.is_f64() => {
            let (e, g) = (e.as_f64().unwrap(), g.as_f64().unwrap());
            let off = (e - g).abs();
            if off.is_nan() || off > floor.max(tolerance.relative * e.abs()) {
                found.push(format!("{path}: expected {e:e}, got {g:e}"));
            }
        }
        _ if expected == got => {}
        _ => found.push(format!("{path}: expected {}, got {}", short(expected), short(got))),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}
