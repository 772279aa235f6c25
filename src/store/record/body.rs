//! The bytes of one delivery as they lie on disk.
//!
//! Stripe's events are pretty-printed and say much the same words each time, so a dictionary of
//! those words shrinks them to about a sixth; without one it would be more than a third.
//! Dictionaries are never edited: stored bodies need the very one they were packed with, so a
//! better one is added beside it under a new [`Encoding`].
//!
//! A body can be reduced later: then less is said in the same room, so that nothing behind it
//! moves. What is left of the room is zeros.

use std::cell::RefCell;
use std::fmt;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use super::RecordError;

static DICTIONARY_1: &[u8] = include_bytes!("../events-1.dict");

/// The fastest level: deliveries wait for it. Any level can be read back.
const LEVEL: i32 = 1;
/// What is reduced must fit where more was said; nobody waits for it.
const THOROUGH_LEVEL: i32 = 19;

/// From here on zstd would load the dictionary anew for each body, to little gain.
const LARGEST_FOR_DICTIONARY: usize = 128 * 1024;

/// Bodies beyond are stored plain, so that unpacking rubbish never claims more memory than this.
const LARGEST_COMPRESSED: usize = 16 * 1024 * 1024;

/// What a thread keeps of its output buffer between bodies.
const KEPT_SCRATCH: usize = 256 * 1024;

static ENCODER_DICTIONARY: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY_1, LEVEL));
static THOROUGH_DICTIONARY: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY_1, THOROUGH_LEVEL));
static DECODER_DICTIONARY: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY_1));

thread_local! {
    static PACKER: RefCell<Packer> = RefCell::new(Packer::new());
    static UNPACKER: RefCell<Unpacker> = RefCell::new(Unpacker::new());
}

/// How the bytes of a body are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Plain,
    /// A zstd frame without a dictionary.
    Zstd,
    /// A zstd frame that needs `events-1.dict`.
    ZstdDictionary1,
    /// The same three of a body that was reduced; zeros fill what is left of its room.
    ReducedPlain,
    ReducedZstd,
    ReducedZstdDictionary1,
    /// Reduced, and too long for its room: it lies in the record that begins where this says.
    ReducedElsewhere,
}

impl Encoding {
    const ALL: [Self; 7] = [
        Self::Plain,
        Self::Zstd,
        Self::ZstdDictionary1,
        Self::ReducedPlain,
        Self::ReducedZstd,
        Self::ReducedZstdDictionary1,
        Self::ReducedElsewhere,
    ];

    pub(super) fn code(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Zstd => 1,
            Self::ZstdDictionary1 => 2,
            Self::ReducedPlain => 3,
            Self::ReducedZstd => 4,
            Self::ReducedZstdDictionary1 => 5,
            Self::ReducedElsewhere => 6,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }

    /// Whether the body is no longer what was delivered.
    pub fn is_reduced(self) -> bool {
        match self {
            Self::Plain | Self::Zstd | Self::ZstdDictionary1 => false,
            Self::ReducedPlain
            | Self::ReducedZstd
            | Self::ReducedZstdDictionary1
            | Self::ReducedElsewhere => true,
        }
    }

    fn reduced(self) -> Self {
        match self {
            Self::Plain => Self::ReducedPlain,
            Self::Zstd => Self::ReducedZstd,
            Self::ZstdDictionary1 => Self::ReducedZstdDictionary1,
            Self::ReducedPlain
            | Self::ReducedZstd
            | Self::ReducedZstdDictionary1
            | Self::ReducedElsewhere => self,
        }
    }
}

/// A body as it lies on disk: plain, or compressed when that is smaller.
///
/// Packing costs some microseconds of CPU and needs no lock: callers do it in parallel, before
/// the one writer sees the body.
#[derive(Clone, PartialEq, Eq)]
pub struct PackedBody {
    pub(super) encoding: Encoding,
    pub(super) plain_length: u32,
    pub(super) bytes: Vec<u8>,
}

/// Without what it says: people's data is in it.
impl fmt::Debug for PackedBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encoding, plain_length, bytes: _ } = self;
        formatter
            .debug_struct("PackedBody")
            .field("encoding", encoding)
            .field("plain_length", plain_length)
            .finish_non_exhaustive()
    }
}

impl PackedBody {
    /// Compresses `plain` if that makes it smaller.
    ///
    /// Panics when `plain` is 4 GiB or longer; deliveries are bounded far below.
    pub fn pack(plain: &[u8]) -> Self {
        let plain_length = u32::try_from(plain.len()).expect("a body is shorter than 4 GiB");
        let encoding = match plain.len() {
            0 => Encoding::Plain,
            length if length < LARGEST_FOR_DICTIONARY => Encoding::ZstdDictionary1,
            length if length <= LARGEST_COMPRESSED => Encoding::Zstd,
            _ => Encoding::Plain,
        };
        match PACKER.with_borrow_mut(|packer| packer.compress(encoding, plain)) {
            Some(bytes) => Self { encoding, plain_length, bytes },
            None => Self { encoding: Encoding::Plain, plain_length, bytes: plain.to_vec() },
        }
    }

    /// Packs a body that is known to be reduced.
    pub fn pack_reduced(plain: &[u8]) -> Self {
        let packed = Self::pack(plain);
        Self { encoding: packed.encoding.reduced(), ..packed }
    }

    /// Packs what is left of a body into `room` bytes, all of which it takes; `None` when it does
    /// not fit.
    pub fn reduced_into(plain: &[u8], room: usize) -> Option<Self> {
        let plain_length = u32::try_from(plain.len()).ok()?;
        let fits = |packed: &Self| packed.bytes.len() <= room;
        let mut packed = Some(Self::pack(plain)).filter(fits).or_else(|| {
            if plain.len() > LARGEST_COMPRESSED {
                return None;
            }
            let mut compressor = Compressor::with_prepared_dictionary(&THOROUGH_DICTIONARY).ok()?;
            let bytes = compressor.compress(plain).ok()?;
            Some(Self { encoding: Encoding::ZstdDictionary1, plain_length, bytes }).filter(fits)
        })?;
        packed.encoding = packed.encoding.reduced();
        packed.bytes.resize(room, 0);
        Some(packed)
    }

    /// A body of `room` bytes that says where its content lies; `None` when that does not fit.
    pub fn elsewhere(segment: u32, offset: u32, room: usize) -> Option<Self> {
        let mut bytes = [segment.to_le_bytes(), offset.to_le_bytes()].as_flattened().to_vec();
        if bytes.len() > room {
            return None;
        }
        bytes.resize(room, 0);
        Some(Self { encoding: Encoding::ReducedElsewhere, plain_length: 0, bytes })
    }

    /// Segment and offset of the record that has the content, when it is not here.
    pub fn lies_at(&self) -> Option<(u32, u32)> {
        let (segment, rest) = self.bytes.split_first_chunk()?;
        let (offset, _) = rest.split_first_chunk()?;
        (self.encoding == Encoding::ReducedElsewhere)
            .then(|| (u32::from_le_bytes(*segment), u32::from_le_bytes(*offset)))
    }

    /// Whether it is no longer what was delivered.
    pub fn is_reduced(&self) -> bool {
        self.encoding.is_reduced()
    }

    /// The body as it was delivered, byte for byte; of one that was reduced, what is left.
    pub fn unpack(&self) -> Result<Vec<u8>, RecordError> {
        let plain_length = usize::try_from(self.plain_length).unwrap_or(usize::MAX);
        let zstd = |encoding, bytes: &[u8]| {
            let plain = UNPACKER.with_borrow_mut(|it| it.decompress(encoding, bytes, plain_length));
            plain.ok_or(RecordError::Body)
        };
        let plain = match self.encoding {
            Encoding::Plain => self.bytes.clone(),
            Encoding::Zstd | Encoding::ZstdDictionary1 => zstd(self.encoding, &self.bytes)?,
            Encoding::ReducedPlain => {
                self.bytes.get(..plain_length).ok_or(RecordError::Body)?.to_vec()
            }
            Encoding::ReducedZstd => zstd(Encoding::Zstd, self.frame()?)?,
            Encoding::ReducedZstdDictionary1 => zstd(Encoding::ZstdDictionary1, self.frame()?)?,
            // The journal's readers put its content in its place.
            Encoding::ReducedElsewhere => return Err(RecordError::Body),
        };
        if plain.len() == plain_length { Ok(plain) } else { Err(RecordError::Body) }
    }

    /// The compressed bytes, without the zeros behind them.
    fn frame(&self) -> Result<&[u8], RecordError> {
        let length = zstd::zstd_safe::find_frame_compressed_size(&self.bytes);
        length.ok().and_then(|length| self.bytes.get(..length)).ok_or(RecordError::Body)
    }

    /// The packed body on its own, for rows that hold nothing else.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { encoding, plain_length, bytes } = self;
        [&[encoding.code()], plain_length.to_le_bytes().as_slice(), bytes].concat()
    }

    /// Whether these are packed bodies with the same content. The bytes alone do not tell: another
    /// version may pack otherwise.
    pub fn same_content(a: &[u8], b: &[u8]) -> bool {
        let content =
            |bytes: &[u8]| Self::from_bytes(bytes).and_then(|packed| packed.unpack()).ok();
        a == b || content(a).is_some_and(|content_of_a| content(b) == Some(content_of_a))
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let (code, rest) = bytes.split_first().ok_or(RecordError::Body)?;
        let (plain_length, bytes) = rest.split_first_chunk::<4>().ok_or(RecordError::Body)?;
        Ok(Self {
            encoding: Encoding::from_code(*code).ok_or(RecordError::Body)?,
            plain_length: u32::from_le_bytes(*plain_length),
            bytes: bytes.to_vec(),
        })
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Bytes before packing.
    pub fn plain_length(&self) -> u32 {
        self.plain_length
    }

    /// Bytes on disk.
    pub fn stored_length(&self) -> usize {
        self.bytes.len()
    }
}

/// A thread's compression contexts; making them costs more than compressing one event.
struct Packer {
    with_dictionary: Compressor<'static>,
    alone: Compressor<'static>,
    scratch: Vec<u8>,
}

impl Packer {
    fn new() -> Self {
        Self {
            with_dictionary: Compressor::with_prepared_dictionary(&ENCODER_DICTIONARY)
                .expect("the embedded dictionary is whole"),
            alone: Compressor::new(LEVEL).expect("the level is a constant zstd knows"),
            scratch: Vec::new(),
        }
    }

    /// The compressed bytes, or nothing when they would not be fewer.
    fn compress(&mut self, encoding: Encoding, plain: &[u8]) -> Option<Vec<u8>> {
        let compressor = match encoding {
            Encoding::Zstd => &mut self.alone,
            Encoding::ZstdDictionary1 => &mut self.with_dictionary,
            Encoding::Plain
            | Encoding::ReducedPlain
            | Encoding::ReducedZstd
            | Encoding::ReducedZstdDictionary1
            | Encoding::ReducedElsewhere => return None,
        };
        self.scratch.clear();
        // With less, whether it works would depend on how long the buffer happens to be.
        self.scratch.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        let length = compressor.compress_to_buffer(plain, &mut self.scratch).ok()?;
        let bytes = (length < plain.len()).then(|| self.scratch.as_slice().to_vec());
        self.scratch.clear();
        self.scratch.shrink_to(KEPT_SCRATCH);
        bytes
    }
}

struct Unpacker {
    with_dictionary: Decompressor<'static>,
    alone: Decompressor<'static>,
}

impl Unpacker {
    fn new() -> Self {
        Self {
            with_dictionary: Decompressor::with_prepared_dictionary(&DECODER_DICTIONARY)
                .expect("the embedded dictionary is whole"),
            alone: Decompressor::new().expect("a context without settings"),
        }
    }

    fn decompress(&mut self, encoding: Encoding, bytes: &[u8], length: usize) -> Option<Vec<u8>> {
        if length > LARGEST_COMPRESSED {
            return None;
        }
        let decompressor = match encoding {
            Encoding::Zstd => &mut self.alone,
            Encoding::ZstdDictionary1 => &mut self.with_dictionary,
            Encoding::Plain
            | Encoding::ReducedPlain
            | Encoding::ReducedZstd
            | Encoding::ReducedZstdDictionary1
            | Encoding::ReducedElsewhere => return None,
        };
        decompressor.decompress(bytes, length).ok()
    }
}
