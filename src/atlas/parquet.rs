//! Tables as Parquet files: one row group, plain columns that may be null.

use super::frame::{Column, Frame};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::sync::Arc;

/// The bytes of the file.
pub(super) fn bytes(frame: &Frame) -> Result<Vec<u8>> {
    let field = |(name, column): &(&str, Column)| {
        let (physical, logical) = match column {
            Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Column::Count(_) => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Column::Real(_) => (Physical::DOUBLE, None),
            Column::Flag(_) => (Physical::BOOLEAN, None),
        };
        let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        field.with_logical_type(logical).with_converted_type(ConvertedType::NONE).build().map(Arc::new)
    };
    let fields = frame.columns().iter().map(field).collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(Type::group_type_builder("table").with_fields(fields).build()?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default())?;
    let mut rows = writer.next_row_group()?;
    for (_, column) in frame.columns() {
        let Some(mut open) = rows.next_column()? else { break };
        match (column, open.untyped()) {
            (Column::Text(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                let there: Vec<ByteArray> = values.iter().flatten().map(|text| text.as_str().into()).collect();
                writer.write_batch(&there, Some(&defined(values)), None)?;
            }
            (Column::Count(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                // The bits of an unsigned number, as the logical type says.
                let there: Vec<i64> = values.iter().flatten().map(|&value| value as i64).collect();
                writer.write_batch(&there, Some(&defined(values)), None)?;
            }
            (Column::Real(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                let there: Vec<f64> = values.iter().flatten().copied().collect();
                writer.write_batch(&there, Some(&defined(values)), None)?;
            }
            (Column::Flag(values), ColumnWriter::BoolColumnWriter(writer)) => {
                let there: Vec<bool> = values.iter().flatten().copied().collect();
                writer.write_batch(&there, Some(&defined(values)), None)?;
            }
            _ => unreachable!("a column has the type that the schema says"),
        }
        open.close()?;
    }
    rows.close()?;
    writer.into_inner()
}

/// Definition levels: 1 for a value that is there, 0 for none.
fn defined<T>(values: &[Option<T>]) -> Vec<i16> {
    values.iter().map(|value| i16::from(value.is_some())).collect()
}

#[cfg(test)]
mod tests {
    use super::{Column, Frame};
    use parquet::file::reader::{FileReader, SerializedFileReader};

    #[test]
    fn a_table_reads_back_as_it_was() {
        let frame = Frame::new(vec![
            ("name", Column::Text(vec![Some("a".into()), None, Some("ü, \"c\"".into())])),
            ("count", Column::Count(vec![None, Some(u64::MAX), Some(3)])),
            ("real", Column::Real(vec![Some(0.1), Some(f64::NAN), None])),
            ("flag", Column::Flag(vec![Some(true), Some(false), None])),
        ]);
        let file = tempfile::NamedTempFile::new().unwrap();
        frame.write_parquet(file.path()).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(file.path()).unwrap()).unwrap();
        let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0], "{name: \"a\", count: null, real: 0.1, flag: true}");
        assert_eq!(rows[1], format!("{{name: null, count: {}, real: NaN, flag: false}}", u64::MAX));
    }
}
