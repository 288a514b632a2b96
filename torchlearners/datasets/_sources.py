"""Which data sets there are, where they are, and what is to be known of them."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.utils import Bunch

from torchlearners.datasets._download import RemoteFile


@dataclass(frozen=True)
class Source:
    """A published data set.

    Parameters
    ----------
    name : str
        That of its folder, and of the function that fetches it.
    title : str
    text : str
        What it holds.
    n_train, n_test : int
        Rows of the two subsets.
    shape : tuple of int
        Of an image: height, width and, where it has colors, 3.
    n_classes : int
    licence, homepage, citation : str
    files : tuple of RemoteFile
        All there is to download.
    class_names : tuple of str, default=()
        By code, where the files do not tell them.
    left_out : str or None, default=None
        Files of the archive whose path starts with this are not extracted.
    """

    name: str
    title: str
    text: str
    n_train: int
    n_test: int
    shape: tuple[int, ...]
    n_classes: int
    licence: str
    homepage: str
    citation: str
    files: tuple[RemoteFile, ...]
    class_names: tuple[str, ...] = ()
    left_out: str | None = None

    @property
    def n_bytes(self) -> int:
        """Size of the download."""
        return sum(file.n_bytes for file in self.files)

    @property
    def description(self) -> str:
        """All of this as text, for `DESCR`."""
        addresses = "\n".join(
            f"  {file.urls[0]}, {file.n_bytes} bytes" for file in self.files
        )
        return (
            f"{self.title}\n{'=' * len(self.title)}\n\n{self.text}\n\n"
            f"Training rows: {self.n_train}\n"
            f"Test rows: {self.n_test}\n"
            f"Classes: {self.n_classes}\n"
            f"Shape of an image: {self.shape}, uint8\n"
            f"Licence: {self.licence}\n"
            f"Home page: {self.homepage}\n"
            f"Please cite: {self.citation}\n"
            f"Downloaded from:\n{addresses}\n"
        )


def list_datasets() -> list[Bunch]:
    """Return what the data sets are that can be fetched.

    Nothing is downloaded, and the disk is not looked at.

    Returns
    -------
    datasets : list of Bunch
        For each, ``name`` (it is fetched by ``fetch_<name>``), ``task``, ``n_rows`` (of
        both subsets), ``n_classes``, ``shape`` (of an image), ``n_bytes`` (of the
        download) and ``licence``. ``pandas.DataFrame(list_datasets())`` is a table.

    Examples
    --------
    >>> from torchlearners.datasets import list_datasets
    >>> for row in list_datasets():
    ...     row.name, row.n_rows, row.shape, f"{row.n_bytes / 1e6:.0f} MB"
    ('cifar10', 60000, (32, 32, 3), '170 MB')
    ('cifar100', 60000, (32, 32, 3), '169 MB')
    ('fashion_mnist', 70000, (28, 28), '31 MB')
    ('mnist', 70000, (28, 28), '12 MB')
    ('tiny_imagenet', 110000, (64, 64, 3), '248 MB')
    """
    return [
        Bunch(
            name=source.name,
            task="image classification",
            n_rows=source.n_train + source.n_test,
            n_classes=source.n_classes,
            shape=source.shape,
            n_bytes=source.n_bytes,
            licence=source.licence,
        )
        for _, source in sorted(SOURCES.items())
    ]


def _idx_files(
    folders: tuple[str, ...], published: dict[str, tuple[str, int]]
) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(name, tuple(folder + name for folder in folders), sha256, n_bytes)
        for name, (sha256, n_bytes) in published.items()
    )


# Digests and sizes of the first four are those in the lists of TensorFlow Datasets,
# https://github.com/tensorflow/datasets (tensorflow_datasets/url_checksums/*.txt).
_MNIST = Source(
    name="mnist",
    title="MNIST",
    text="Handwritten digits in gray, size-normalized and centered.",
    n_train=60_000,
    n_test=10_000,
    shape=(28, 28),
    n_classes=10,
    licence="CC BY-SA 3.0",
    homepage="http://yann.lecun.com/exdb/mnist/",
    citation=(
        "LeCun, Bottou, Bengio and Haffner (1998). Gradient-based learning applied to "
        "document recognition. Proceedings of the IEEE 86(11), 2278-2324."
    ),
    files=_idx_files(
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        {
            "train-images-idx3-ubyte.gz": (
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                9_912_422,
            ),
            "train-labels-idx1-ubyte.gz": (
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                28_881,
            ),
            "t10k-images-idx3-ubyte.gz": (
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                1_648_877,
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                4_542,
            ),
        },
    ),
    class_names=tuple("0123456789"),
)

_FASHION_MNIST = Source(
    name="fashion_mnist",
    title="Fashion-MNIST",
    text="Articles of clothing in gray, in the form of MNIST and harder than it.",
    n_train=60_000,
    n_test=10_000,
    shape=(28, 28),
    n_classes=10,
    licence="MIT",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    citation=(
        "Xiao, Rasul and Vollgraf (2017). Fashion-MNIST: a novel image dataset for "
        "benchmarking machine learning algorithms. arXiv:1708.07747."
    ),
    files=_idx_files(
        (
            # It has no https; the digests tell what arrived.
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/"
            "data/fashion/",
        ),
        {
            "train-images-idx3-ubyte.gz": (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                26_421_880,
            ),
            "train-labels-idx1-ubyte.gz": (
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                29_515,
            ),
            "t10k-images-idx3-ubyte.gz": (
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                4_422_102,
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                5_148,
            ),
        },
    ),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
)

_CIFAR_CITATION = (
    "Krizhevsky (2009). Learning multiple layers of features from tiny images. "
    "Technical report, University of Toronto."
)
_CIFAR_LICENCE = "none stated; the authors ask to be cited"

# The binary versions: the others are pickles, and to read one runs what is in it.
_CIFAR10 = Source(
    name="cifar10",
    title="CIFAR-10",
    text="Small photographs of animals and vehicles.",
    n_train=50_000,
    n_test=10_000,
    shape=(32, 32, 3),
    n_classes=10,
    licence=_CIFAR_LICENCE,
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    citation=_CIFAR_CITATION,
    files=(
        RemoteFile(
            "cifar-10-binary.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            170_052_171,
        ),
    ),
)

_CIFAR100 = Source(
    name="cifar100",
    title="CIFAR-100",
    text="Small photographs of 100 classes, which belong to 20 coarse classes.",
    n_train=50_000,
    n_test=10_000,
    shape=(32, 32, 3),
    n_classes=100,
    licence=_CIFAR_LICENCE,
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    citation=_CIFAR_CITATION,
    files=(
        RemoteFile(
            "cifar-100-binary.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            168_513_733,
        ),
    ),
)

# Stanford publishes no digest. This one is recorded alike in several independent public
# repositories, with the size, and beside the MD5 90528d7ca1a48142e341f4ef8d21d0de that
# loaders such as Avalanche's (https://github.com/ContinualAI/avalanche) check.
_TINY_IMAGENET = Source(
    name="tiny_imagenet",
    title="Tiny ImageNet",
    text=(
        "Photographs of 200 classes of ImageNet, as JPEG files, most of them in\n"
        "color. The test rows are the published validation set: labels of the\n"
        "published test set were never given out."
    ),
    n_train=100_000,
    n_test=10_000,
    shape=(64, 64, 3),
    n_classes=200,
    licence="that of ImageNet: research and education, not commercial",
    homepage="http://cs231n.stanford.edu/",
    citation="Le and Yang (2015). Tiny ImageNet visual recognition challenge. CS 231N.",
    files=(
        RemoteFile(
            "tiny-imagenet-200.zip",
            (
                "https://cs231n.stanford.edu/tiny-imagenet-200.zip",
                "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            ),
            "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
            248_100_043,
        ),
    ),
    left_out="tiny-imagenet-200/test/",
)

SOURCES = {
    source.name: source
    for source in [_MNIST, _FASHION_MNIST, _CIFAR10, _CIFAR100, _TINY_IMAGENET]
}
