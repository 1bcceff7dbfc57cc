//! How display servers want their pixels.

/// How the server wants its pixels.
#[derive(Debug)]
pub struct Layout {
    bytes_per_pixel: usize,
    /// Rows begin at multiples of so many bytes.
    row_unit: usize,
    high_byte_first: bool,
    /// What each value of blue, green and red becomes.
    channels: [[u32; 256]; 3],
}

/// What each value of a channel becomes in a pixel where it has these bits.
fn channel(mask: u32) -> [u32; 256] {
    let shift = mask.trailing_zeros().min(31);
    let most = u64::from(mask >> shift);
    std::array::from_fn(|value| ((value as u64 * most / 255) as u32) << shift)
}

impl Layout {
    /// None where pixels have no colours, or another size.
    pub fn new(
        bits_per_pixel: u8,
        scanline_pad: u8,
        high_byte_first: bool,
        [blue, green, red]: [u32; 3],
    ) -> Option<Self> {
        let usable = matches!(bits_per_pixel, 16 | 24 | 32) && blue != 0 && green != 0 && red != 0;
        usable.then(|| Self {
            bytes_per_pixel: usize::from(bits_per_pixel / 8),
            row_unit: usize::from(scanline_pad / 8).max(1),
            high_byte_first,
            channels: [blue, green, red].map(channel),
        })
    }

    /// Bytes of a row of so many pixels.
    pub fn stride(&self, width: usize) -> usize {
        (width * self.bytes_per_pixel).next_multiple_of(self.row_unit)
    }

    /// Writes a row of blue, green and red bytes as the server wants it.
    pub fn row(&self, bgr: &[u8], to: &mut [u8]) {
        let [blue, green, red] = &self.channels;
        let pixels = to.chunks_exact_mut(self.bytes_per_pixel);
        for (to, [b, g, r]) in pixels.zip(bgr.as_chunks::<3>().0) {
            let pixel = blue[usize::from(*b)] | green[usize::from(*g)] | red[usize::from(*r)];
            if self.high_byte_first {
                to.copy_from_slice(&pixel.to_be_bytes()[4 - self.bytes_per_pixel..]);
            } else {
                to.copy_from_slice(&pixel.to_le_bytes()[..self.bytes_per_pixel]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURS: [u8; 9] = [255, 0, 0, 0, 255, 0, 8, 128, 255];

    fn rows(bits: u8, high_byte_first: bool, masks: [u32; 3]) -> Vec<u8> {
        let layout = Layout::new(bits, 32, high_byte_first, masks).unwrap();
        let mut row = vec![0; layout.stride(3)];
        layout.row(&COLOURS, &mut row);
        row
    }

    #[test]
    fn pixels_are_as_the_server_wants_them() {
        let full = [0xff, 0xff00, 0xff_0000];
        assert_eq!(
            rows(32, false, full),
            [255, 0, 0, 0, 0, 255, 0, 0, 8, 128, 255, 0]
        );
        assert_eq!(
            rows(32, true, full),
            [0, 0, 0, 255, 0, 0, 255, 0, 0, 255, 128, 8]
        );
        assert_eq!(
            rows(24, false, full),
            [255, 0, 0, 0, 255, 0, 8, 128, 255, 0, 0, 0],
            "filled up to 32 bits"
        );
        let small = [0x1f, 0x7e0, 0xf800];
        assert_eq!(rows(16, false, small), [0x1f, 0, 0xe0, 7, 0xe0, 0xfb, 0, 0]);
        let wide = [0x3ff, 0xf_fc00, 0x3ff0_0000];
        let deep = rows(32, false, wide);
        assert_eq!(deep[..4], 0x3ff_u32.to_le_bytes());
        assert!(Layout::new(8, 32, false, [0; 3]).is_none());
    }
}
