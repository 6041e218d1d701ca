//! The arrays of a page, each kept once.

use super::figure::{Figure, Heat, Marks, Scale, largest};
use serde_json::{Value, json};
use std::collections::HashMap;

/// How values on a page are rounded, for the page itself.
pub(super) const ROUNDING: &str = "Points and lines are stored as 32-bit floats (relative error below 6e-8). Heat maps are \
    stored as 16-bit integers, each with a scale of its own: a value is off by at most 1/65534 of the largest magnitude \
    in its picture. Numbers in tables are rounded to the digits shown.";

/// What stands for a NaN among the integers of a heat map.
const NAN: i16 = i16::MIN;

/// The arrays of a page, each kept once however many figures show it.
///
/// | array | JSON |
/// |---|---|
/// | numbers | `{"f32": BASE64}` |
/// | matrix | `{"i16": BASE64, "scale": s, "shape": [rows, columns]}`, value = s times integer, -32768 for NaN |
/// | texts | `["const", "cos 1", ...]` |
///
/// Bytes are little-endian, matrices row-major. A figure refers to array k as `{"$": k}`.
#[derive(Default)]
pub(super) struct Arrays {
    pub(super) all: Vec<Value>,
    seen: HashMap<String, usize>,
}

impl Arrays {
    fn add(&mut self, array: Value) -> Value {
        let next = self.all.len();
        let at = *self.seen.entry(array.to_string()).or_insert(next);
        if at == next {
            self.all.push(array);
        }
        json!({ "$": at })
    }

    /// A figure as plotly's JSON with its arrays put here, its title left to the page, and its colour scale named.
    pub(super) fn figure(&mut self, figure: &Figure) -> Value {
        // Not as a whole plot, which carries plotly's script.
        let json = |text: String| serde_json::from_str::<Value>(&text).expect("plotly writes JSON");
        let mut traces: Vec<Value> = figure.traces(|_| Vec::new()).iter().map(|trace| json(trace.to_json())).collect();
        let mut layout = json(figure.layout().to_json());
        for trace in &mut traces {
            for key in ["x", "y", "text", "hovertext"] {
                if let Some(Value::Array(values)) = trace.get_mut(key).map(Value::take) {
                    trace[key] = match values.iter().any(Value::is_string) {
                        true => self.add(Value::Array(values)),
                        false => self.add(numbers(&values)),
                    };
                } else if let Some(entries) = trace.as_object_mut() {
                    entries.remove(key);
                }
            }
            if let Marks::Heat(heat) = &figure.marks {
                trace["z"] = self.add(matrix(heat));
                trace["colorscale"] = json!(name(heat.scale));
            }
        }
        layout.as_object_mut().and_then(|layout| layout.remove("title"));
        json!({
            "title": figure.title, "note": figure.note, "heat": matches!(figure.marks, Marks::Heat(_)),
            "data": traces, "layout": layout,
        })
    }
}

/// The name of a colour scale in [`scales`].
fn name(scale: Scale) -> &'static str {
    match scale {
        Scale::Diverging => "diverging",
        Scale::Sequential => "sequential",
    }
}

/// The colour scales by ground and name.
pub(super) fn scales() -> Value {
    let colours = |colours: [[u8; 3]; 9]| {
        let stop = |(i, [r, g, b]): (usize, &[u8; 3])| json!([i as f64 / 8.0, format!("rgb({r},{g},{b})")]);
        colours.iter().enumerate().map(stop).collect::<Value>()
    };
    let all = [Scale::Diverging, Scale::Sequential];
    let on = |of: fn(Scale) -> [[u8; 3]; 9]| -> Value {
        Value::Object(all.iter().map(|&scale| (name(scale).to_owned(), colours(of(scale)))).collect())
    };
    json!({ "light": on(Scale::colours), "dark": on(Scale::colours_on_dark) })
}

fn numbers(values: &[Value]) -> Value {
    let bytes = values.iter().flat_map(|v| (v.as_f64().unwrap_or(f64::NAN) as f32).to_le_bytes());
    json!({ "f32": base64(&bytes.collect::<Vec<u8>>()) })
}

fn matrix(heat: &Heat) -> Value {
    let most = f64::from(i16::MAX);
    let largest = largest(&heat.values);
    let scale = if largest > 0.0 { largest / most } else { 1.0 };
    let integer = |&v: &f32| if v.is_nan() { NAN } else { (f64::from(v) / scale).round().clamp(-most, most) as i16 };
    let bytes: Vec<u8> = heat.values.iter().flat_map(|v| integer(v).to_le_bytes()).collect();
    json!({ "i16": base64(&bytes), "scale": scale, "shape": heat.values.shape() })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            out.push(if digit <= three.len() { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_of_rfc_4648() {
        let encoded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| super::base64(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
