//! The table for a spreadsheet: a row for each reading.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _, Write};

use anyhow::{Context as _, Result};
use csv::{ReaderBuilder, StringRecord, Terminator, Writer, WriterBuilder};

use super::resource::Resource;
use super::stamp;
use crate::tools::spreadsheet::no_formula;

/// Collects rows in temporary files, one a log: which columns there are is known at the end alone.
pub(super) struct Sheet {
    logs: Vec<(String, Writer<BufWriter<File>>)>,
}

impl Sheet {
    pub fn new() -> Self {
        Self { logs: Vec::new() }
    }

    /// The rows that follow are those of this log.
    pub fn begin(&mut self, log: &str) -> Result<()> {
        let file = tempfile::tempfile().context("no temporary file can be made")?;
        let writer = WriterBuilder::new()
            .flexible(true)
            .from_writer(BufWriter::new(file));
        self.logs.push((log.to_owned(), writer));
        Ok(())
    }

    /// A reading.
    pub fn row(&mut self, wall: f64, values: &[(usize, f64)]) -> Result<()> {
        let Some((_, writer)) = self.logs.last_mut() else {
            return Ok(());
        };
        let columns = values.iter().map(|v| v.0 + 1).max().unwrap_or(0);
        let mut fields = vec![String::new(); columns];
        for (column, value) in values {
            fields[*column] = number(*value);
        }
        writer.write_field(wall.to_string())?;
        writer
            .write_record(&fields)
            .context("the temporary file cannot be written")
    }

    /// Writes the whole table in order of time, UTF-8 with a byte order mark.
    pub fn finish(self, resources: &[Resource], out: &mut dyn Write) -> Result<()> {
        out.write_all("\u{feff}".as_bytes())?;
        let mut writer = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .from_writer(out);
        let several = self.logs.len() > 1;
        let headings = resources.iter().map(|r| no_formula(&heading(r)));
        let log = several.then(|| "log".to_owned());
        writer.write_record(
            std::iter::once("time".to_owned())
                .chain(headings)
                .chain(log),
        )?;
        let mut logs = Vec::new();
        for (name, writer) in self.logs {
            logs.push(Rows::new(name, writer)?);
        }
        // The earliest of the next rows of each log.
        while let Some(log) = logs
            .iter_mut()
            .filter(|l| l.next.is_some())
            .min_by(|a, b| a.wall.total_cmp(&b.wall))
        {
            writer.write_field(stamp::show(log.wall))?;
            let row = log.next.take().unwrap_or_default();
            for column in 0..resources.len() {
                writer.write_field(row.get(column + 1).unwrap_or_default())?;
            }
            let name = several.then(|| no_formula(&log.name));
            writer.write_record(name)?;
            log.advance()?;
        }
        writer.flush()?;
        Ok(())
    }
}

/// The rows of one log, read back.
struct Rows {
    name: String,
    reader: csv::Reader<BufReader<File>>,
    next: Option<StringRecord>,
    wall: f64,
}

impl Rows {
    fn new(name: String, writer: Writer<BufWriter<File>>) -> Result<Self> {
        let buffered = writer.into_inner().map_err(|e| e.into_error())?;
        let mut file = buffered.into_inner().map_err(|e| e.into_error())?;
        file.rewind()?;
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(BufReader::new(file));
        let mut rows = Self {
            name,
            reader,
            next: None,
            wall: 0.0,
        };
        rows.advance()?;
        Ok(rows)
    }

    fn advance(&mut self) -> Result<()> {
        let mut row = StringRecord::new();
        self.next = self.reader.read_record(&mut row)?.then_some(row);
        if let Some(row) = &self.next {
            self.wall = row.get(0).unwrap_or_default().parse()?;
        }
        Ok(())
    }
}

/// Known columns carry their unit in their name already.
fn heading(resource: &Resource) -> String {
    let own = resource.id == resource.english;
    if own && !resource.unit.is_empty() {
        format!("{} ({})", resource.id, resource.unit)
    } else {
        resource.id.clone()
    }
}

/// A figure without the digits that a conversion of units has invented.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::report::resource::Resources;
    use crate::tools::report::value::values;

    #[test]
    fn rows_of_several_logs_are_in_order_and_nothing_is_a_formula() {
        let mut resources = Resources::default();
        let mut take = |text: &str| -> Vec<_> {
            values(text)
                .iter()
                .filter_map(|v| resources.take(v))
                .collect()
        };
        let mut sheet = Sheet::new();
        sheet.begin("a.log").unwrap();
        sheet
            .row(100.0, &take("RSS: 150.50MB, =cmd: 7 MB"))
            .unwrap();
        sheet.row(300.0, &take("RSS: 1GB")).unwrap();
        sheet.begin("+b.log").unwrap();
        sheet
            .row(200.0, &take("Handles: 23, 初期比: -2.50MB"))
            .unwrap();
        let mut out = Vec::new();
        sheet.finish(resources.list(), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\u{feff}time,rss_mb,'=cmd (MB),handles,growth_mb,log\r\n\
             1970-01-01 00:01:40,150.5,7,,,a.log\r\n\
             1970-01-01 00:03:20,,,23,-2.5,'+b.log\r\n\
             1970-01-01 00:05:00,1024,,,,a.log\r\n"
        );
    }
}
