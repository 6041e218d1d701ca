//! A page as a reader without a browser sees it.

use serde_json::Value;

/// The description of the figures in a page.
pub fn content(html: &str) -> Value {
    let (_, rest) = html.split_once("<script type=\"application/json\" id=\"figures\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// Everything but the text of scripts.
pub fn markup(html: &str) -> String {
    let mut out = String::new();
    for (i, part) in html.split("<script").enumerate() {
        out.push_str(if i == 0 { part } else { part.split_once("</script>").unwrap().1 });
    }
    out
}

fn bytes(base64: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for four in base64.as_bytes().chunks(4) {
        let digit = |&c: &u8| DIGITS.find(char::from(c)).unwrap_or(0) as u32;
        let bits = four.iter().fold(0, |bits, c| bits << 6 | digit(c));
        let padding = four.iter().filter(|&&c| c == b'=').count();
        out.extend(&bits.to_be_bytes()[1..4 - padding]);
    }
    out
}

/// The numbers of a packed array, and how far each may be off.
pub fn numbers(content: &Value, reference: &Value) -> (Vec<f64>, f64) {
    let packed = &content["arrays"][reference["$"].as_u64().unwrap() as usize];
    if let Some(text) = packed["f32"].as_str() {
        let four = |b: &[u8]| f64::from(f32::from_le_bytes(b.try_into().unwrap()));
        return (bytes(text).chunks(4).map(four).collect(), 0.0);
    }
    let scale = packed["scale"].as_f64().unwrap();
    let two = |b: &[u8]| match i16::from_le_bytes(b.try_into().unwrap()) {
        i16::MIN => f64::NAN,
        integer => f64::from(integer) * scale,
    };
    (bytes(packed["i16"].as_str().unwrap()).chunks(2).map(two).collect(), scale * 0.500_001)
}
