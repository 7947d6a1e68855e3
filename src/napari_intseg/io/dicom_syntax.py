"""Which transfer syntaxes can be read, and by what."""

from importlib.util import find_spec

from napari_intseg.errors import FileError, MissingExtraError
from napari_intseg.io.dicom_header import Header

_DICOM, _JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.4."
_BY_PYDICOM = {"", _DICOM, *(f"{_DICOM}.{n}" for n in ("1", "1.99", "2", "5"))}
_BY_GDCM = {f"{_JPEG}{n}" for n in (*range(50, 67), 70, 80, 81, 90, 91, 92, 93)}
_HTJ2K = {f"{_JPEG}{n}" for n in (201, 202, 203)}
_HTJ2K_MODULES = ("pylibjpeg", "openjpeg")


def name_of(syntax: str) -> str:
    """Return what the standard calls a transfer syntax; its uid if that is not known."""
    from pydicom.uid import UID

    return UID(syntax).name or "no named transfer syntax"


def is_for_decoder(header: Header) -> bool:
    """Whether the pixels are decompressed by a library that damaged ones can bring down."""
    return header.syntax in _BY_GDCM | _HTJ2K


def is_htj2k(syntax: str) -> bool:
    """Whether images are compressed by High-Throughput JPEG 2000, which GDCM does not read."""
    return syntax in _HTJ2K


def check_syntax(header: Header) -> None:
    """Ask for pixels that can be decompressed.

    Raises
    ------
    FileError
        If nothing here decompresses them: video, JPIP, JPEG XL, or what the standard does not know.
    MissingExtraError
        If the library that does is not installed.
    """
    syntax = header.syntax
    if syntax not in _BY_PYDICOM | _BY_GDCM | _HTJ2K:
        raise FileError(
            "pixels cannot be decoded: expected still images, plain, deflated or compressed by "
            "RLE, JPEG, JPEG-LS, JPEG 2000 or High-Throughput JPEG 2000, got "
            f"{name_of(syntax)!r} in {str(header.file)!r}. Export the series again, uncompressed."
        )
    if is_htj2k(syntax) and any(find_spec(name) is None for name in _HTJ2K_MODULES):
        raise MissingExtraError(
            f"{name_of(syntax)} needs pylibjpeg-openjpeg: expected it to be installed, got nothing "
            'of that name. Install it with: pip install "napari-intseg[dicom]".'
        )
