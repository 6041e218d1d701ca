//! Tables with typed columns, as CSV and Parquet.

use crate::checkpoint::atomic_write;
use crate::error::Result;
use std::path::Path;

/// The values of a column; `None` where a network has none.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Column {
    /// Words.
    Text(Vec<Option<String>>),
    /// Whole numbers from 0 up.
    Count(Vec<Option<u64>>),
    /// Numbers.
    Real(Vec<Option<f64>>),
    /// Yes or no.
    Flag(Vec<Option<bool>>),
}

impl Column {
    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Count(values) => values.len(),
            Self::Real(values) => values.len(),
            Self::Flag(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A value as a text; empty where there is none.
    fn text(&self, row: usize) -> String {
        let text = match self {
            Self::Text(values) => values[row].clone(),
            Self::Count(values) => values[row].map(|value| value.to_string()),
            Self::Real(values) => values[row].map(|value| value.to_string()),
            Self::Flag(values) => values[row].map(|value| value.to_string()),
        };
        text.unwrap_or_default()
    }
}

/// A table with typed columns, all of one length.
///
/// ```
/// use irreplens::atlas::{Column, Frame};
///
/// let frame = Frame::new(vec![
///     ("group", Column::Text(vec![Some("C5".into()), Some("SL(2,3), say".into())])),
///     ("loss", Column::Real(vec![Some(0.25), None])),
/// ]);
/// assert_eq!(frame.csv(), "group,loss\nC5,0.25\n\"SL(2,3), say\",\n");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    columns: Vec<(&'static str, Column)>,
}

impl Frame {
    /// A table of these columns.
    ///
    /// # Panics
    /// If they are not of one length.
    #[must_use]
    pub fn new(columns: Vec<(&'static str, Column)>) -> Self {
        assert!(columns.windows(2).all(|pair| pair[0].1.len() == pair[1].1.len()), "columns of one length");
        Self { columns }
    }

    /// The columns, with their names.
    #[must_use]
    pub fn columns(&self) -> &[(&'static str, Column)] {
        &self.columns
    }

    /// A column by its name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|(other, _)| *other == name).map(|(_, column)| column)
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// The table as CSV, with a heading; numbers as the shortest decimals that read back as they are.
    ///
    /// # Panics
    /// Never: what is written to memory does not fail.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = (0..self.rows()).map(|row| self.columns.iter().map(|(_, column)| column.text(row)).collect());
        let heading = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let written = std::iter::once(heading).chain(rows).try_for_each(|row: Vec<String>| writer.write_record(row));
        let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Writes the table as CSV in one step.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic_write(path, self.csv().as_bytes())
    }

    /// Writes the table as a Parquet file in one step (feature `parquet`): texts as UTF-8, whole numbers as unsigned 64-bit ones,
    /// numbers as doubles, each of which may be null.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io), and [`Error::Format`](crate::Error::Format) for what Parquet cannot hold.
    #[cfg(feature = "parquet")]
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = super::parquet::bytes(self)
            .map_err(|error| crate::Error::format(path, "a table that Parquet can hold", error.to_string()))?;
        atomic_write(path, &bytes)
    }
}
