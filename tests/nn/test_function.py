import pickle

import torch

from torchlearners.nn import Function


def test_a_function_is_called_with_all_inputs_and_its_arguments():
    module = Function(torch.add, {"alpha": 3})
    assert torch.equal(module(torch.ones(2), torch.ones(2)), torch.full((2,), 4.0))


def test_the_repr_names_the_function():
    assert repr(Function(torch.sin)) == "Function(sin)"


def test_the_arguments_are_a_copy():
    arguments = {"alpha": 3}
    module = Function(torch.add, arguments)
    arguments["alpha"] = 5
    assert module.kwargs == {"alpha": 3}


def test_it_is_pickled_with_its_function():
    module = pickle.loads(pickle.dumps(Function(torch.sin)))
    assert torch.equal(module(torch.ones(1)), torch.sin(torch.ones(1)))
