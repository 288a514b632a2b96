"""What is on a picture says what the plan says, and nothing covers anything else."""

import pytest
import torch

from torchlearners.data import DataSpec
from torchlearners.graph import (
    GELU,
    LSTM,
    Categorical,
    CategoricalEmbedding,
    Choice,
    Concat,
    Conv2d,
    Flatten,
    Fn,
    Head,
    Identity,
    Image,
    LayerNorm,
    Linear,
    MultiheadAttention,
    Numeric,
    NumericTokenizer,
    Pretrained,
    ReLU,
    Repeat,
    Residual,
    Select,
    Sum,
    Tanh,
    Tensor,
    TransformerEncoderLayer,
)
from torchlearners.graph._picture import Line, Picture
from torchlearners.graph._plan import plan_network

TABLE = DataSpec(n_numeric=3, n_outputs=2, cardinalities=(3, 5))


def shared_ingress():
    encoded = Numeric() >> Linear(16)
    codes = Categorical() >> CategoricalEmbedding()
    return (encoded >> ReLU() | encoded >> Tanh() | codes) >> Concat() >> Head()


def attention():
    tokens = Numeric() >> NumericTokenizer(16)
    op = MultiheadAttention(4)(query=tokens >> LayerNorm(), key=tokens, value=tokens)
    both = op >> Select(1, 0) | op["weights"] >> Flatten() >> Linear(8)
    return both >> Concat() >> Head()


def lstm():
    op = Tensor((4, 2), ["token", "feature"]) >> LSTM(8)
    states = op["hidden"] >> Select(1, 0) | op["cell"] >> Flatten()
    return (op >> Select(1, -1) | states) >> Concat() >> Head()


def dense():
    parts = [Numeric()]
    for _ in range(4):
        so_far = parts[0]
        for part in parts[1:]:
            so_far = so_far | part
        parts.append((so_far >> Concat() if len(parts) > 1 else so_far) >> Linear(8))
    return parts[-1] >> Head()


ROWS = (None, 8)
NETWORKS = {
    "chain": (Linear(64) >> ReLU() >> Head(), ROWS),
    "branches": (
        (Linear(64) >> ReLU() | Linear(32) >> Tanh() >> Linear(32) | Identity())
        >> Concat()
        >> Head(),
        ROWS,
    ),
    "shared ingress": (shared_ingress(), TABLE),
    "attention": (attention(), ROWS),
    "lstm": (lstm(), ROWS),
    "dense": (dense(), ROWS),
    "residuals": (
        Residual(Linear(64) >> Residual(GELU()) >> Linear(8), shortcut=Linear(8)) * 2
        >> Head(),
        ROWS,
    ),
    "repeat": (Repeat(Linear(64) >> ReLU(), 5) >> Head(), ROWS),
    "choice": (Linear(8) >> Choice({"relu": ReLU(), "gelu": GELU()}) >> Head(), ROWS),
    "image": (
        Image() >> Conv2d(8, 3, padding=1) >> Residual(ReLU()) >> Flatten() >> Head(),
        (None, 64),
    ),
    "one tensor twice": ((Numeric() | Numeric(name="again")) >> Sum() >> Head(), ROWS),
    "no steps": (Repeat(Linear(3), 0), ROWS),
    "long expressions": (
        Tensor((4, 2))
        >> TransformerEncoderLayer(1, dim_feedforward=64, norm_first=True)
        >> Pretrained(torch.nn.Sequential(*[torch.nn.Tanh() for _ in range(30)]))
        >> Flatten()
        >> Linear(3, name="a_very_long_name_of_a_step_that_says_all_that_it_does")
        >> Head(),
        ROWS,
    ),
    "sixty steps": (Repeat(Residual(Linear(8) >> ReLU()), 20) >> Head(), ROWS),
}


@pytest.fixture(params=NETWORKS)
def plan(request):
    network, data = NETWORKS[request.param]
    return plan_network(network, data, None)


def picture_of(network, data=ROWS):
    return Picture(plan_network(network, data, None))


def block_of(network, name, data=ROWS):
    return next(b for b in picture_of(network, data).blocks if b.name == name)


def frame(box):
    return box.x - box.width / 2, box.y, box.x + box.width / 2, box.y + box.height


def corners(line):
    x, y, width, height = line.frame
    return x, y, x + width, y + height


def overlap(a, b, most=1e-6):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return wide > most and high > most


def inside(a, b):
    return b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]


def test_texts_lie_inside_their_boxes(plan):
    picture = Picture(plan)
    for block, box in zip(picture.blocks, picture.boxes, strict=True):
        assert block.lines
        for line in block.lines:
            assert inside(corners(line), frame(box)), line


def test_boxes_and_texts_lie_apart_and_on_the_page(plan):
    picture = Picture(plan)
    page = (0, 0, picture.width, picture.height)
    things = [frame(box) for box in picture.boxes]
    things += [corners(line) for block in picture.blocks for line in block.tag_lines]
    lines = [[corners(line) for line in block.lines] for block in picture.blocks]
    for group in [things, *lines]:
        for i, one in enumerate(group):
            assert inside(one, page)
            assert not any(overlap(one, other) for other in group[:i])


def test_every_step_is_drawn_with_its_shapes_and_parameters(plan):
    table, blocks = plan.table(), Picture(plan).blocks
    assert [b.name for b in blocks] == ["input", *table.steps, "output"]
    assert sum(b.n_parameters for b in blocks) == table.n_parameters
    for step, block in zip(plan.steps, blocks[1:], strict=False):
        assert len(block.tags) >= 1
        assert block.tags[0].split(" int")[0] in str(step.specs[block.channels[0]])


def test_every_line_of_the_plan_is_drawn(plan):
    drawn = [(edge.source - 1, edge.target - 1) for edge in Picture(plan).edges]
    wires = [
        (wire.step, i)
        for i, step in enumerate(plan.steps)
        for wire in step.inputs
        if wire is not None
    ]
    assert drawn == [*wires, (plan.end.step, len(plan.steps))]


def test_a_picture_is_the_same_each_time(plan):
    one, two = Picture(plan), Picture(plan)
    assert one.boxes == two.boxes
    assert one.edges == two.edges
    assert one.blocks == two.blocks


@pytest.mark.parametrize(
    ("network", "name", "kind"),
    [
        (Numeric() >> Head(), "numeric_1", "ingress"),
        (Linear(3), "linear_1", "weights"),
        (ReLU(), "relu_1", "plain"),
        ((ReLU() | Tanh()) >> Sum(), "sum_1", "merge"),
        (Residual(ReLU()), "residual_1", "merge"),
        (Head(), "head_1", "head"),
    ],
)
def test_boxes_differ_by_what_a_step_is(network, name, kind):
    assert block_of(network, name).kind == kind


def test_inputs_and_outputs_have_names_where_there_are_several():
    block = block_of(attention(), "multihead_attention_1")
    assert block.inputs == ["query", "key", "value"]
    assert block.outputs == ["output", "weights"]
    assert block.tags == ["batch, token=8, feature=16", "batch, token=8, token=8"]
    assert {"query", "weights"} < {line.text for line in block.lines}


def test_outputs_that_nobody_uses_are_left_out():
    sequence = Tensor((4, 2), ["token", "feature"]) >> LSTM(8)
    alone = block_of(sequence >> Select(1, -1) >> Head(), "lstm_1")
    assert (alone.outputs, len(alone.tags)) == ([], 1)
    hidden = block_of(sequence["hidden"] >> Select(1, 0) >> Head(), "lstm_1")
    assert hidden.outputs == ["hidden"]
    assert hidden.tags == ["batch, layer=1, feature=8"]


def test_the_name_of_a_step_is_written_once():
    assert block_of(Linear(3, name="last"), "last").expression == "Linear(3)"


def test_expressions_do_not_tell_where_functions_lie_in_memory():
    assert block_of(Fn(torch.sin), "fn_1").expression == "Fn(sin)"
    assert block_of(Fn(lambda x: x), "fn_1").expression == "Fn(<lambda>)"
    assert block_of(Fn(torch.nn.functional.relu), "fn_1").expression == "Fn(relu)"


def test_codes_are_told_from_numbers():
    tags = block_of(shared_ingress(), "categorical_1", TABLE).tags
    assert tags == ["batch, feature=2 int64"]


def test_steps_of_a_chain_stand_under_each_other():
    assert len({box.x for box in picture_of(NETWORKS["chain"][0]).boxes}) == 1


def test_the_title_counts_steps_and_parameters():
    assert picture_of(Linear(64) >> Head()).title == (
        "Network of 2 steps with 641 parameters"
    )


def test_wide_characters_get_the_room_of_two():
    assert Line("線形", 10).width == Line("abcd", 10).width
