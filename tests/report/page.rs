use crate::read::{content, markup, numbers};
use irreplens::analysis::{Cell, Table, Term};
use irreplens::report::{Axis, Control, Figure, Heat, Line, Marks, Page, Scale};
use ndarray::Array2;

const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"'\n%{x}<!--";

fn lines(title: &str, values: Vec<f64>) -> Figure {
    let names: Vec<String> = (0..values.len()).map(|i| format!("{title} {i}")).collect();
    let marks = Marks::Lines(vec![Line::new(title, values)]);
    Figure::new(title, Axis::new(title).named(&names), Axis::new(title), marks).with_note(title)
}

#[test]
fn arrays_decode_to_the_values() {
    let values = Array2::from_shape_fn((7, 5), |(i, j)| ((i * 5 + j) as f32 * 0.7).sin() * 1e-3);
    let mut with_gap = values.clone();
    with_gap[[2, 3]] = f32::NAN;
    let heat = |values| Marks::Heat(Heat::new(values, Scale::Diverging));
    let figure = |marks| Figure::new("t", Axis::new("x"), Axis::new("y"), marks);
    let numbers_of_line = vec![1e-12, -3.5, f64::NAN, 7e8];
    let mut page = Page::new("p");
    page.figures([figure(heat(values.clone())), figure(heat(with_gap)), lines("l", numbers_of_line.clone())]);
    page.figures([figure(heat(values.clone()))]); // kept once
    let content = content(&page.html());
    let figures = &content["views"][0]["frames"][0]["figures"];

    let (got, off) = numbers(&content, &figures[0]["data"][0]["z"]);
    assert!(off <= 1e-3 / 65534.0 * 1.001);
    for (got, &expected) in got.iter().zip(&values) {
        assert!((got - f64::from(expected)).abs() <= off, "{got} against {expected}");
    }
    let (got, _) = numbers(&content, &figures[1]["data"][0]["z"]);
    assert!(got[2 * 5 + 3].is_nan() && got.iter().filter(|v| v.is_nan()).count() == 1);
    let (got, _) = numbers(&content, &figures[2]["data"][0]["y"]);
    assert!(got[2].is_nan());
    for (got, expected) in got.iter().zip(&numbers_of_line).filter(|(_, e)| !e.is_nan()) {
        assert!((got - expected).abs() <= 6e-8 * expected.abs(), "{got} against {expected}");
    }
    let again = &content["views"][1]["frames"][0]["figures"][0]["data"][0]["z"];
    assert_eq!(again, &figures[0]["data"][0]["z"]);
    assert!(page.html().contains("16-bit integers"), "the page says how it rounds");
}

#[test]
fn hostile_names_stay_text() {
    let mut page = Page::new(HOSTILE);
    page.section(HOSTILE);
    page.text(HOSTILE);
    page.figures([lines(HOSTILE, vec![1.0, 2.0])]);
    page.choice(Control::Select, HOSTILE, vec![(HOSTILE.into(), vec![lines(HOSTILE, vec![1.0])])]);
    page.choice(Control::Slider, HOSTILE, vec![(HOSTILE.into(), vec![lines(HOSTILE, vec![1.0])])]);
    let term = Term::new(HOSTILE, "<b>");
    let rows = vec![vec![Cell::text(HOSTILE)], vec![Cell::Missing(HOSTILE.into())]];
    page.facts(vec![(term.clone(), Cell::text(HOSTILE)), (term.clone(), Cell::Missing(HOSTILE.into()))]);
    page.table(Table::new(HOSTILE, vec![term], rows));
    let html = page.html();
    let markup = markup(&html);
    assert!(!markup.contains("<img") && !markup.contains("alert(1)</") && !markup.contains("<!--"));
    // A quote in an attribute would end it.
    assert!(!markup.contains("onerror='") && markup.contains("onerror=&#39;"));
    let content = content(&html); // the data block is whole
    let trace = &content["views"][0]["frames"][0]["figures"][0]["data"][0];
    assert!(!trace["name"].as_str().unwrap().contains('<'), "plotly takes tags for markup");
    assert!(
        !trace["hovertemplate"]
            .as_str()
            .unwrap()
            .replace("<br>", "")
            .replace("<extra>", "")
            .replace("</extra>", "")
            .contains('<')
    );
    assert_eq!(html.matches("<script").count(), plain().matches("<script").count());
}

fn plain() -> String {
    let mut page = Page::new("a");
    page.figures([lines("a", vec![1.0])]);
    page.html()
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let markup = markup(&plain());
    for attribute in ["src=", "http:", "https:", "//", "@import", "url(", "onclick", "onload"] {
        assert!(!markup.contains(attribute), "{attribute}");
    }
    assert!(markup.contains("default-src 'none'"));
    for href in markup.split("href=\"").skip(1) {
        assert!(href.starts_with('#'), "{}", &href[..20]);
    }
}
