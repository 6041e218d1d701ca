//! Figures as plain data.

use ndarray::Array2;

/// A picture as plain data: what is drawn, not with which library.
///
/// [`plotly`](Figure::plotly) makes it a plotly figure, [`svg`](Figure::svg) and [`png`](Figure::png) write it for a
/// paper, and [`Page`](super::Page) puts it among others.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Figure {
    /// What it shows.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn.
    pub marks: Marks,
    /// What a reader must know: down-sampling, a scale shared with another figure.
    pub note: Option<String>,
}

impl Figure {
    /// A figure without a note.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis, marks: Marks) -> Self {
        Self { title: title.into(), x, y, marks, note: None }
    }

    /// The figure with one more sentence in its note.
    #[must_use]
    pub fn with_note(mut self, note: impl AsRef<str>) -> Self {
        let before = self.note.take().map_or(String::new(), |before| before + " ");
        self.note = Some(before + note.as_ref());
        self
    }

    /// The figure, a heat map of more than `most` rows or columns cut down: every cell is then the entry of the largest
    /// magnitude in a square of entries, named after the first of them, and the note says so.
    ///
    /// ```
    /// use irreplens::report::{Axis, Figure, Heat, Marks, Scale};
    /// let mut values = ndarray::Array2::zeros((100, 100));
    /// values[[41, 7]] = -3.0;
    /// let heat = Marks::Heat(Heat::new(values, Scale::Diverging));
    /// let figure = Figure::new("", Axis::new("x"), Axis::new("y"), heat).at_most(25);
    /// let Marks::Heat(heat) = figure.marks else { unreachable!() };
    /// assert_eq!((heat.values.dim(), heat.values[[10, 1]]), ((25, 25), -3.0));
    /// assert!(figure.note.unwrap().contains("4 x 4"));
    /// ```
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Self {
        let Marks::Heat(heat) = &mut self.marks else { return self };
        let (rows, columns) = heat.values.dim();
        let step = rows.max(columns).div_ceil(most.max(1));
        if step <= 1 {
            return self;
        }
        heat.limit = Some(heat.limit());
        let values = &heat.values;
        heat.values = Array2::from_shape_fn((rows.div_ceil(step), columns.div_ceil(step)), |(i, j)| {
            let cells =
                values.slice(ndarray::s![i * step..rows.min((i + 1) * step), j * step..columns.min((j + 1) * step)]);
            cells.iter().copied().fold(0.0, |a: f32, b| if b.abs() > a.abs() { b } else { a })
        });
        for (axis, count) in [(&mut self.x, columns), (&mut self.y, rows)] {
            let names = axis.names.take().unwrap_or_else(|| (0..count).map(|i| i.to_string()).collect());
            axis.names = Some(names.into_iter().step_by(step).collect());
        }
        self.with_note(format!("Down-sampled: a cell is the entry of the largest magnitude of {step} x {step}."))
    }
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Axis {
    /// What it measures.
    pub title: String,
    /// Names of the places 0, 1, ..., where these have names (`cos 3`, `sin 12`).
    pub names: Option<Vec<String>>,
    /// Whether it is logarithmic.
    pub log: bool,
    /// Its ends, where they are not those of the data.
    pub range: Option<[f64; 2]>,
}

impl Axis {
    /// An axis of numbers.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// The axis with names of its places.
    #[must_use]
    pub fn named(self, names: &[String]) -> Self {
        Self { names: Some(names.to_vec()), ..self }
    }

    /// The axis with a logarithmic scale.
    #[must_use]
    pub fn log(self) -> Self {
        Self { log: true, ..self }
    }

    /// The axis from one number to another.
    #[must_use]
    pub fn between(self, from: f64, to: f64) -> Self {
        Self { range: Some([from, to]), ..self }
    }
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Marks {
    /// Lines over a shared axis.
    Lines(Vec<Line>),
    /// A matrix as colours: row y, from the top, and column x.
    Heat(Heat),
    /// Points.
    Scatter(Vec<Points>),
    /// Bars side by side, one group a place.
    Bars(Vec<Line>),
}

/// A line or a row of bars.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Where its points stand; 0, 1, ... if `None`.
    pub x: Option<Vec<f64>>,
    /// Its values; NaN leaves a gap, and is null in JSON.
    #[serde(with = "gaps")]
    pub y: Vec<f64>,
}

impl Line {
    /// A line over the places 0, 1, ...
    pub fn new(name: impl Into<String>, y: Vec<f64>) -> Self {
        Self { name: name.into(), x: None, y }
    }
}

/// A matrix of colours.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Heat {
    /// Row y, column x; NaN is grey, and null in JSON.
    #[serde(with = "gaps_of_map")]
    pub values: Array2<f32>,
    /// Colours.
    pub scale: Scale,
    /// The end of the colour scale, where it is shared with other figures; the largest magnitude if `None`.
    pub limit: Option<f64>,
}

impl Heat {
    /// A map whose colour scale ends at its own largest magnitude.
    #[must_use]
    pub fn new(values: Array2<f32>, scale: Scale) -> Self {
        Self { values, scale, limit: None }
    }

    /// The map with its colour scale ending at `limit`, which it may share with other figures.
    #[must_use]
    pub fn up_to(self, limit: f64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The end of the colour scale; 1 where all is zero.
    #[must_use]
    pub fn limit(&self) -> f64 {
        let largest = || largest(&self.values);
        self.limit.unwrap_or_else(|| if largest() > 0.0 { largest() } else { 1.0 })
    }
}

/// The largest magnitude among the numbers that are finite.
pub(super) fn largest<'a>(values: impl IntoIterator<Item = &'a f32>) -> f64 {
    values.into_iter().filter(|v| v.is_finite()).fold(0.0, |a, &b| f64::from(b).abs().max(a))
}

/// A colour scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Scale {
    /// From blue for the negative by white at 0 to red.
    Diverging,
    /// From light at 0 to dark.
    Sequential,
}

/// Red, green, blue.
pub(super) type Rgb = [u8; 3];

impl Scale {
    /// Its colours at equal distances: ColorBrewer's RdBu and YlGnBu, which the colour-blind tell apart.
    pub(super) fn colours(self) -> [Rgb; 9] {
        match self {
            Self::Diverging => [
                [33, 102, 172],
                [67, 147, 195],
                [146, 197, 222],
                [209, 229, 240],
                [247, 247, 247],
                [253, 219, 199],
                [244, 165, 130],
                [214, 96, 77],
                [178, 24, 43],
            ],
            Self::Sequential => [
                [255, 255, 246],
                [237, 248, 177],
                [199, 233, 180],
                [127, 205, 187],
                [65, 182, 196],
                [29, 145, 192],
                [34, 94, 168],
                [37, 52, 148],
                [8, 29, 88],
            ],
        }
    }

    /// Its colours on a dark ground: 0 is dark.
    pub(super) fn colours_on_dark(self) -> [Rgb; 9] {
        match self {
            Self::Diverging => [
                [158, 208, 255],
                [98, 165, 224],
                [56, 118, 176],
                [36, 70, 104],
                [30, 33, 38],
                [96, 50, 36],
                [164, 78, 48],
                [226, 124, 80],
                [255, 192, 156],
            ],
            Self::Sequential => [
                [30, 33, 38],
                [34, 54, 94],
                [37, 78, 125],
                [42, 105, 138],
                [52, 133, 140],
                [76, 161, 131],
                [124, 188, 108],
                [186, 211, 83],
                [253, 231, 76],
            ],
        }
    }

    /// The colour of a value, and of a NaN.
    pub(super) fn colour(self, value: f64, limit: f64) -> Rgb {
        if value.is_nan() {
            return [160, 160, 160];
        }
        let at = match self {
            Self::Diverging => (value / limit + 1.0) / 2.0,
            Self::Sequential => value / limit,
        };
        let (at, colours) = (at.clamp(0.0, 1.0) * 8.0, self.colours());
        let below = (at as usize).min(7);
        let mix = |c: usize| {
            let (a, b) = (f64::from(colours[below][c]), f64::from(colours[below + 1][c]));
            (a + (b - a) * (at - below as f64)).round() as u8
        };
        [mix(0), mix(1), mix(2)]
    }
}

/// Colours of lines and points: those of Okabe and Ito, which the colour-blind tell apart, on light and on dark grounds.
pub(super) const PALETTE: [Rgb; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [120, 120, 120]];

/// Points of one kind.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Points {
    /// What the legend calls the points.
    pub name: String,
    /// Abscissae; NaN is not drawn.
    #[serde(with = "gaps")]
    pub x: Vec<f64>,
    /// Ordinates; NaN is not drawn.
    #[serde(with = "gaps")]
    pub y: Vec<f64>,
    /// What hovering over each says.
    pub hover: Vec<String>,
}

impl Points {
    /// Points of this name; `hover` says something of each.
    pub fn new(name: impl Into<String>, x: Vec<f64>, y: Vec<f64>, hover: Vec<String>) -> Self {
        Self { name: name.into(), x, y, hover }
    }
}

/// Numbers that may be NaN, which JSON has not: as null.
mod gaps {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        values.iter().map(|v| Some(*v).filter(|v| !v.is_nan())).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(from)?;
        Ok(values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect())
    }
}

/// A matrix of numbers that may be NaN, as null.
mod gaps_of_map {
    use ndarray::Array2;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &Array2<f32>, to: S) -> Result<S::Ok, S::Error> {
        values.mapv(|v| Some(v).filter(|v| !v.is_nan())).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Array2<f32>, D::Error> {
        Ok(Array2::<Option<f32>>::deserialize(from)?.mapv(|v| v.unwrap_or(f32::NAN)))
    }
}
