use irreplens::report::{Axis, Figure, Heat, Line, Marks, Points, Scale};
use ndarray::Array2;

fn all() -> Vec<(&'static str, Figure)> {
    let names = ["const", "cos 1", "<sin> & \"1\"\n"].map(String::from);
    let line = |name: &str| Line::new(name, vec![0.1, f64::NAN, 3.0]);
    let heat = |scale| Heat::new(Array2::from_shape_fn((3, 3), |(i, j)| i as f32 - j as f32), scale);
    let points = Points::new("neurons", vec![1.0, 2.0], vec![0.5, 0.9], vec!["a".into(), "b".into()]);
    let figure = |marks| Figure::new("A <b>title</b> & more", Axis::new("x").named(&names), Axis::new("y"), marks);
    let mut log = figure(Marks::Bars(vec![Line::new("losses", vec![1e-6, 0.3, 20.0])]));
    log.y = log.y.log();
    let empty = figure(Marks::Lines(Vec::new()));
    vec![
        ("lines", figure(Marks::Lines(vec![line("one"), line("two")]))),
        ("diverging", figure(Marks::Heat(heat(Scale::Diverging)))),
        ("sequential", figure(Marks::Heat(heat(Scale::Sequential)))),
        ("scatter", figure(Marks::Scatter(vec![points]))),
        ("bars", figure(Marks::Bars(vec![line("one"), line("two")]))),
        ("log", log),
        ("empty", empty),
    ]
}

/// A check that tags nest, which is what a viewer needs to read it.
fn parse(svg: &str) -> usize {
    let (mut open, mut elements) = (Vec::new(), 0);
    for tag in svg.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "unescaped: {text}");
        assert!(
            !text
                .replace("&lt;", "")
                .replace("&gt;", "")
                .replace("&amp;", "")
                .replace("&quot;", "")
                .replace("&#39;", "")
                .contains('&'),
            "{text}"
        );
        elements += 1;
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') || tag.starts_with(['!', '?']) => {}
            None => open.push(tag.split_whitespace().next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    elements
}

#[test]
fn every_kind_of_marks() {
    let folder = tempfile::tempdir().unwrap();
    for (name, figure) in all() {
        let (svg, png) = (folder.path().join(format!("{name}.svg")), folder.path().join(format!("{name}.png")));
        figure.svg(&svg).unwrap();
        figure.png(&png).unwrap();
        let text = std::fs::read_to_string(&svg).unwrap();
        assert!(parse(&text) > 8 && text.contains("&lt;b&gt;title"), "{name}");
        let mark = match name {
            "lines" => text.matches("<polyline").count() >= 2,
            "scatter" => text.matches("<circle").count() >= 2,
            "empty" => true,
            _ => text.matches("<rect").count() > 3,
        };
        assert!(mark, "{name} has no marks");
        let bytes = std::fs::read(&png).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&bytes[12..24], [b"IHDR".as_slice(), &900u32.to_be_bytes(), &640u32.to_be_bytes()].concat());
        assert!(bytes.len() > 4000 && bytes.ends_with(b"IEND\xaeB`\x82"), "{name}: {} bytes", bytes.len());
    }
    let error = all()[0].1.svg(folder.path().join("absent/a.svg")).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
}
