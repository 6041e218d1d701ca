//! Logits along directions and coefficients along y on a device: products there, of which only the result comes back.

use super::hooks::DeviceHooks;
use super::program::Block;
use super::transform::BATCH;
use super::{OnDevice, upload};
use crate::device::{Buffer, Matrix, Product, kernels};
use crate::error::{Error, Result};
use crate::fourier::FourierBasis;
use crate::model::along::{check_rows, rows_of_basis};
use crate::model::{Hooks, Interpretable, LOGITS, check_finite};
use crate::task::Pair;
use ndarray::{Array2, Array3, ArrayView2, Axis};

impl OnDevice {
    /// [`Interpretable::logits_along`]: what is read out times `W_U D`, and `b_U D` added.
    pub(super) fn read_along(&self, pairs: &[Pair], directions: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let (n, count, readout) = (self.order(), directions.ncols(), self.readout());
        if count == 0 {
            return Ok(Array2::zeros((pairs.len(), 0)));
        }
        let unembedding = readout.unembedding().expect("every network ends with an unembedding");
        let directions = directions.mapv(f64::from);
        let along = |map: ArrayView2<'_, f32>| map.mapv(f64::from).dot(&directions).mapv(|v| v as f32);
        let weights = upload(&self.device, "W_U along directions", along(unembedding).view())?;
        let offset = readout.bias().map(|bias| along(bias.insert_axis(Axis(0))));
        let offset = offset.map(|o| upload(&self.device, "b_U along directions", o.view())).transpose()?;
        let none = Hooks::none();
        let hooks = DeviceHooks::new(&self.device, &none)?;
        let indices: Vec<u32> = pairs.iter().map(|(x, y)| (x.index() * n + y.index()) as u32).collect();
        let at_once = self.rows_at_once(self.row_values(&none, &[readout.site()])? + count, pairs.len())?;
        let mut values = Vec::with_capacity(pairs.len() * count);
        for block in indices.chunks(at_once) {
            let (list, rows) = (Buffer::from_slice(&self.device, "pairs", block)?, block.len());
            let block = Block { list: Some(list.input()), first: 0, count: rows };
            let read = self.run_to(block, &hooks, readout.site())?;
            let out = Buffer::new(&self.device, "logits along directions", rows * count)?;
            Product::new(rows, count, self.width).run(
                &self.device,
                Matrix::new(&read.nodes, read.start, self.width),
                Matrix::new(&weights, 0, count),
                Matrix::new(&out, 0, count),
            )?;
            if let Some(offset) = &offset {
                let add = kernels::AddRow { rows, width: count, values: out.output(), row: offset.input() };
                add.launch_over(&self.device, rows * count, 1)?;
            }
            values.extend(out.to_vec()?);
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let pair = &pairs[at / count..=at / count];
            check_finite(LOGITS, self.forward(pair)?.view(), pair)?;
            let (what, expected) = ("logits along directions", "finite numbers in f32");
            return Err(Error::Range { what, expected, got: values[at].into() });
        }
        Ok(Array2::from_shape_vec((pairs.len(), count), values).expect("one row a pair"))
    }

    /// [`Interpretable::coefficients_along_y`].
    pub(super) fn along_y(&self, site: &str, basis: &dyn FourierBasis, rows: &[usize]) -> Result<Array3<f32>> {
        let (n, per_x, width) = check_rows(self, site, basis, rows)?;
        let (m, sectors) = (basis.rows(), basis.sectors().len());
        if per_x * width == 0 {
            return Ok(Array3::zeros((n, per_x, width)));
        }
        let transform = upload(&self.device, "rows of a basis", rows_of_basis(basis, rows).view())?;
        let none = Hooks::none();
        let hooks = DeviceHooks::new(&self.device, &none)?;
        let of_row = self.row_values(&none, &[site])? + (per_x * width).div_ceil(n);
        let at_once = (self.rows_at_once(of_row, n * n)? / n).clamp(1, (BATCH / sectors).max(1));
        let order: Vec<usize> = basis.sectors().iter().flatten().map(|y| y.index()).collect();
        let mut values = Vec::with_capacity(n * per_x * width);
        for first in (0..n).step_by(at_once) {
            let xs = first..n.min(first + at_once);
            let pairs: Vec<u32> = xs.clone().flat_map(|x| order.iter().map(move |&y| (x * n + y) as u32)).collect();
            let list = Buffer::from_slice(&self.device, "pairs", &pairs)?;
            let block = Block { list: Some(list.input()), first: 0, count: pairs.len() };
            let of_site = self.run_to(block, &hooks, site)?;
            let out = Buffer::new(&self.device, "coefficients along y", xs.len() * per_x * width)?;
            Product::new(rows.len(), width, m).batch(xs.len(), sectors).run(
                &self.device,
                Matrix::new(&transform, 0, m),
                Matrix::new(&of_site.nodes, of_site.start, width).batch(n * width, m * width),
                Matrix::new(&out, 0, width).batch(per_x * width, rows.len() * width),
            )?;
            values.extend(out.to_vec()?);
        }
        Ok(Array3::from_shape_vec((n, per_x, width), values).expect("one matrix an x"))
    }
}
