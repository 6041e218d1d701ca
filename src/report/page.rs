//! Pages: sections of texts, tables and figures as one HTML file.

use super::figure::Figure;
use super::pack::{Arrays, ROUNDING, scales};
use crate::analysis::{Cell, Table, Term, superscript};
use crate::checkpoint::atomic_write;
use crate::error::Result;
use plotly::Plot;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::{self, Display, Write};
use std::path::Path;

/// One self-contained HTML page of texts, tables and figures, which opens offline.
///
/// Plotly's script is in it once, every array once; nothing is loaded from anywhere. Texts are shown as they are, whatever
/// characters are in them.
///
/// ```
/// use irreplens::analysis::{Cell, Table, Term};
/// use irreplens::report::{Axis, Control, Figure, Line, Marks, Page};
/// let wave = |k: usize| (0..20).map(|t| (t as f64 * k as f64 / 3.0).cos()).collect();
/// let figure = |k| Figure::new("A wave", Axis::new("t"), Axis::new("height"), Marks::Lines(vec![Line::new("cos", wave(k))]));
///
/// let mut page = Page::new("Waves <2>");
/// page.section("Pictures");
/// page.text("Waves of two lengths.");
/// page.choice(Control::Select, "Frequency", vec![("1".into(), vec![figure(1)]), ("2".into(), vec![figure(2)])]);
/// let frequency = Term::new("frequency", "Turns a unit of time.");
/// page.table(Table::new("All of them", vec![frequency], vec![vec![Cell::Count(1)]]));
/// assert!(page.html().contains("Waves &lt;2&gt;"));
/// ```
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    sections: Vec<Section>,
}

#[derive(Clone, Debug)]
struct Section {
    heading: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Facts(Vec<(Term, Cell)>),
    Table(Table),
    View(View),
}

/// Figures side by side; with a control, one set of several.
#[derive(Clone, Debug)]
struct View {
    control: Option<(Control, String)>,
    /// Label and figures of each choice.
    frames: Vec<(String, Vec<Figure>)>,
}

/// How a reader chooses among figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Control {
    /// From a list.
    Select,
    /// Along a slider.
    Slider,
}

impl Page {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), sections: Vec::new() }
    }

    /// Starts a section; what is added next goes there.
    pub fn section(&mut self, heading: impl Into<String>) {
        self.sections.push(Section { heading: heading.into(), parts: Vec::new() });
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<String>) {
        self.add(Part::Text(text.into()));
    }

    /// Adds numbers with their names.
    pub fn facts(&mut self, facts: Vec<(Term, Cell)>) {
        self.add(Part::Facts(facts));
    }

    /// Adds a table that a click on a column's head sorts; none without rows.
    pub fn table(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.add(Part::Table(table));
        }
    }

    /// Adds figures side by side.
    pub fn figures(&mut self, figures: impl IntoIterator<Item = Figure>) {
        let figures: Vec<Figure> = figures.into_iter().collect();
        if !figures.is_empty() {
            self.add(Part::View(View { control: None, frames: vec![(String::new(), figures)] }));
        }
    }

    /// Adds figures of which the reader sees one set, by its label.
    pub fn choice(&mut self, control: Control, label: impl Into<String>, frames: Vec<(String, Vec<Figure>)>) {
        if !frames.is_empty() {
            self.add(Part::View(View { control: Some((control, label.into())), frames }));
        }
    }

    fn add(&mut self, part: Part) {
        if self.sections.is_empty() {
            self.section(self.title.clone());
        }
        self.sections.last_mut().expect("at least one").parts.push(part);
    }

    /// Writes the page through a temporary file.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic_write(path, self.html().as_bytes())
    }

    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let (mut body, mut contents) = (String::new(), String::new());
        let (mut arrays, mut views) = (Arrays::default(), Vec::new());
        let mut terms = BTreeSet::new();
        for (s, section) in self.sections.iter().enumerate() {
            let heading = Escaped(&section.heading);
            add(&mut contents, format_args!("<li><a href=\"#s{s}\">{heading}</a></li>"));
            add(&mut body, format_args!("<section id=\"s{s}\"><h2>{heading}</h2>\n"));
            for part in &section.parts {
                match part {
                    Part::Text(text) => add(&mut body, format_args!("<p>{}</p>\n", Escaped(text))),
                    Part::Facts(facts) => facts_html(&mut body, facts, &mut terms),
                    Part::Table(table) => table_html(&mut body, table, &mut terms),
                    Part::View(view) => view_html(&mut body, view, &mut arrays, &mut views),
                }
            }
            body.push_str("</section>\n");
        }
        contents.push_str("<li><a href=\"#glossary\">Glossary</a></li><li><a href=\"#about\">About this page</a></li>");
        body.push_str("<section id=\"glossary\"><h2>Glossary</h2><dl class=\"glossary\">\n");
        for term in terms {
            let (name, means) = (Escaped(&term.name), Escaped(&term.means));
            add(&mut body, format_args!("<dt id=\"term-{}\">{name}</dt><dd>{means}</dd>\n", slug(&term.name)));
        }
        let version = env!("CARGO_PKG_VERSION");
        add(
            &mut body,
            format_args!("</dl></section>\n<section id=\"about\"><h2>About this page</h2><p>{ROUNDING}</p>"),
        );
        add(
            &mut body,
            format_args!("<p>Written by irreplens {version}. It needs no connection: its script is plotly.js,"),
        );
        body.push_str(" in the page itself.</p></section>\n");

        let figures = json!({ "arrays": arrays.all, "views": views, "scales": scales() });
        // Within a script element only `<` could end it.
        let figures = figures.to_string().replace('<', "\\u003c");
        let (title, style, program) = (Escaped(&self.title), include_str!("page.css"), include_str!("page.js"));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; \
             style-src 'unsafe-inline'; img-src data: blob:\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">Skip to the report</a>\n\
             <header><h1>{title}</h1><button id=\"theme\" type=\"button\">Dark</button></header>\n\
             <div class=\"page\">\n<nav aria-label=\"Contents\"><h2>Contents</h2><ol>{contents}</ol></nav>\n\
             <main id=\"main\">\n<noscript><p>The figures need JavaScript, which is in this file.</p></noscript>\n\
             {body}</main>\n</div>\n\
             <script type=\"application/json\" id=\"figures\">{figures}</script>\n\
             <script>{}</script>\n<script>\n{program}</script>\n</body>\n</html>\n",
            plotly_script(),
        )
    }
}

/// Plotly's own script, without MathJax.
fn plotly_script() -> String {
    let scripts = Plot::offline_js_sources();
    let script = scripts.split_once('>').and_then(|(_, rest)| rest.split_once("</script>"));
    script.map(|(script, _)| script.to_owned()).expect("the plotly crate gives script elements")
}

/// Text in HTML, within elements and in quoted attributes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c if c.is_control() => f.write_char(' '),
            c => f.write_char(c),
        })
    }
}

fn add(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("strings take everything");
}

/// A name as part of an id.
fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// A link to the term's definition, which hovering shows too.
fn help(term: &Term) -> String {
    let (name, means) = (Escaped(&term.name), Escaped(&term.means));
    format!(
        "<a class=\"help\" href=\"#term-{}\" title=\"{means}\" aria-label=\"what {name} means\">?</a>",
        slug(&term.name)
    )
}

fn facts_html(out: &mut String, facts: &[(Term, Cell)], terms: &mut BTreeSet<Term>) {
    out.push_str("<dl class=\"facts\">\n");
    for (term, cell) in facts {
        terms.insert(term.clone());
        let (name, mut value) = (Escaped(&term.name), cell.to_string());
        if let Cell::Missing(reason) = cell {
            value = format!("{value} ({reason})");
        }
        add(out, format_args!("<div><dt>{name} {}</dt><dd>{}</dd></div>\n", help(term), Escaped(&value)));
    }
    out.push_str("</dl>\n");
}

fn table_html(out: &mut String, table: &Table, terms: &mut BTreeSet<Term>) {
    let (caption, reasons) = (Escaped(&table.title), table.reasons());
    add(out, format_args!("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>"));
    add(out, format_args!("<caption>{caption}</caption><thead><tr>"));
    for term in &table.columns {
        terms.insert(term.clone());
        let (name, help) = (Escaped(&term.name), help(term));
        add(out, format_args!("<th scope=\"col\"><button type=\"button\" class=\"sort\">{name}</button>{help}</th>"));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for cell in row {
            match (cell.value(), cell) {
                (Some(value), _) => add(out, format_args!("<td class=\"number\" data-value=\"{value:?}\">{cell}</td>")),
                (None, Cell::Missing(reason)) => {
                    let (reason, footnote) = (Escaped(reason), Table::footnote(cell, &reasons));
                    add(out, format_args!("<td class=\"number\" title=\"{reason}\">{cell}{footnote}</td>"));
                }
                (None, _) => add(out, format_args!("<td>{}</td>", Escaped(&cell.to_string()))),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
    for (i, reason) in reasons.iter().enumerate() {
        let number = if reasons.len() > 1 { superscript(i) } else { String::new() };
        add(out, format_args!("<p class=\"note\">–{number}: {}</p>\n", Escaped(reason)));
    }
    out.push_str("</div>\n");
}

fn view_html(out: &mut String, view: &View, arrays: &mut Arrays, views: &mut Vec<Value>) {
    let v = views.len();
    add(out, format_args!("<div class=\"view\" data-view=\"{v}\">"));
    if let Some((control, label)) = &view.control {
        let (label, last) = (Escaped(label), view.frames.len() - 1);
        add(out, format_args!("<div class=\"control\"><label for=\"c{v}\">{label}</label>"));
        match control {
            Control::Select => {
                add(out, format_args!("<select id=\"c{v}\">"));
                for (i, (name, _)) in view.frames.iter().enumerate() {
                    add(out, format_args!("<option value=\"{i}\">{}</option>", Escaped(name)));
                }
                out.push_str("</select>");
            }
            Control::Slider => {
                let first = Escaped(&view.frames[0].0);
                add(
                    out,
                    format_args!("<input type=\"range\" id=\"c{v}\" min=\"0\" max=\"{last}\" step=\"1\" value=\"0\""),
                );
                add(out, format_args!(" aria-valuetext=\"{first}\"><output for=\"c{v}\">{first}</output>"));
            }
        }
        out.push_str("</div>");
    }
    let most = view.frames.iter().map(|(_, figures)| figures.len()).max().unwrap_or(0);
    add(out, format_args!("<div class=\"panels{}\">", if most == 1 { " one" } else { "" }));
    for i in 0..most {
        let figure = view.frames[0].1.get(i);
        let title = Escaped(figure.map_or("", |figure| &figure.title));
        let note = Escaped(figure.and_then(|figure| figure.note.as_deref()).unwrap_or(""));
        add(out, format_args!("<figure data-figure=\"v{v}-{i}\"><figcaption>{title}</figcaption>"));
        add(out, format_args!("<div class=\"plot\"></div><p class=\"note\">{note}</p></figure>"));
    }
    out.push_str("</div></div>\n");
    let frames: Vec<Value> = view
        .frames
        .iter()
        .map(|(label, figures)| {
            json!({ "label": label, "figures": figures.iter().map(|figure| arrays.figure(figure)).collect::<Value>() })
        })
        .collect();
    views.push(json!({ "frames": frames }));
}
