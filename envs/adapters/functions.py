"""A user model made of two functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Floats32, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HistoryShape
from rlrec.envs.adapters.adapted import LARGE, plain_catalogue
from rlrec.envs.arguments import check_whole_number
from rlrec.envs.blocks.state import Outcome, Shown, State, put
from rlrec.envs.items import CatalogueItems, FreshDocuments, ItemQuality, Items
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.user_model_checks import check_channels
from rlrec.errors import UnknownNameError, UserModelError, nearest_hint
from rlrec.simulation import Space

Start = Callable[[int, Floats], State]
"""Takes F users and draws (F, n_initial_draws); returns their state, arrays with F rows."""

Respond = Callable[[State, Ints, Floats], Outcome | NDArray[Any]]
"""Takes the state of B users, slates (B, K) and draws (B, n_step_draws); changes the state."""

Truth = Callable[[State, Ints], Floats]
"""Takes the state of B users and slates (B, K)."""


def users_from_function(
    respond: Respond,
    start: Start,
    n_users: int,
    first_user: int = 0,
    *,
    items: int | Catalogue | FreshDocuments,
    slate_size: int,
    channels: Sequence[str] = ("click",),
    n_initial_draws: int = 1,
    n_step_draws: int | None = None,
    observed: Mapping[str, str] | None = None,
    choice_probabilities: Truth | None = None,
    expected_reward: Truth | None = None,
    history_length: int = 20,
    max_steps: int | None = None,
    env_id: str = "users_from_function",
    arguments: dict[str, Any] | None = None,
    card: Sequence[Assumption] = (),
) -> UserSimulator:
    """Return a simulator of users whom two functions describe.

        def start(n_users, draws):
            return {"taste": draws[:, 0]}

        def respond(state, slates, draws):
            return draws < 0.5 * state["taste"][:, None]  # clicks, (B, K)

        users = users_from_function(respond, start, 100, items=50, slate_size=5, max_steps=30)

    The functions draw nothing themselves: their chance is in `draws`, uniforms in [0, 1), so that
    users replay and are the same in every batch. Rows of users must not influence one another.

    Args:
        respond: Lets all users respond and changes their state. It returns responses, (B, K) or
            (B, K, R), whose reward is the sum of the first channel, and users then never leave; or
            an `Outcome` of responses, rewards and who has left. A repeated item is a blank slot:
            responses to it are set to 0 before they are summed.
        start: Returns the state of users who begin an episode, a dict of arrays.
        n_users: B.
        first_user: Number of the first user of the batch.
        items: How many there are, a catalogue, or fresh documents.
        slate_size: K.
        channels: Names of the R response channels; the first says whether there was a response.
        n_initial_draws: Uniforms a user needs at the start of an episode.
        n_step_draws: Uniforms a user needs at each step; by default one a slot.
        observed: Observation keys ("user", "context") to the state that agents may see there.
        choice_probabilities: The truth, if known: P(taken) of each slot and P(nothing), (B, K + 1).
        expected_reward: The truth, if known, (B,).
        history_length: H.
        max_steps: Limit of an episode; None where users leave by themselves.
        env_id: Name for logs and results.
        arguments: What makes these users again, ready for JSON; `max_steps` is added.
        card: What is assumed.

    Raises:
        ConfigError: An argument is out of range.
        UserModelError: A function is none, or returns something else than it must; or `channels`
            are no names.
        UnknownNameError: `observed` names a key that is not ours, or a state that is not there.

    Stability: experimental.
    """
    check_whole_number("n_initial_draws", n_initial_draws, 0)
    _check_functions(respond, start, choice_probabilities, expected_reward)
    check_channels(channels, env_id)
    n_draws = slate_size if n_step_draws is None else n_step_draws
    check_whole_number("n_step_draws", n_draws, 0)
    catalogue = _catalogue_of(items)
    known = items if isinstance(items, FreshDocuments) else _whole(catalogue)
    users = FunctionUsers(
        respond, start, known, tuple(channels), n_initial_draws, n_draws, observed or {}
    )
    for name, truth in (
        ("choice_probabilities", choice_probabilities),
        ("expected_reward", expected_reward),
    ):
        if truth is not None:
            setattr(users, name, _stated(truth))
    problem = Problem(
        users=users,
        slate_size=slate_size,
        env_id=env_id,
        arguments={**(arguments or {}), **({} if max_steps is None else {"max_steps": max_steps})},
        catalogue=catalogue,
        history=_history(catalogue, slate_size, len(channels), history_length),
        max_steps=max_steps,
        card=tuple(card),
    )
    return UserSimulator(problem, n_users, first_user)


class FunctionUsers:
    """A `UserModel` made of two functions; `users_from_function` says what they do."""

    def __init__(
        self,
        respond: Respond,
        start: Start,
        items: Items,
        channels: tuple[str, ...],
        n_initial_draws: int,
        n_step_draws: int,
        observed: Mapping[str, str],
    ) -> None:
        self.items = items
        self.channels = channels
        self.n_initial_draws = n_initial_draws + items.n_draws
        self.n_step_draws = n_step_draws
        self._respond, self._start = respond, start
        self._n_own_draws = n_initial_draws
        self._observed = dict(observed)
        self._spaces = self._observed_spaces()

    @property
    def open_state(self) -> tuple[str, ...]:
        """Keys of the state that agents may see."""
        return (*self._observed.values(), *getattr(self.items, "open_state", ()))

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Begin an episode of F users at positions `users`."""
        for key, values in self._begun(len(users), draws[:, : self._n_own_draws]).items():
            put(state, key, users, values, values.dtype)
        self.items.draw(state, users, draws[:, self._n_own_draws :])

    def respond(self, state: State, shown: Shown, blank: Bools | None, draws: Floats) -> Outcome:
        """Let all users respond to what is shown and change their state."""
        assert shown.items is not None  # a slate, not the whole catalogue
        told = self._respond(state, shown.items, draws)
        if isinstance(told, tuple) and not isinstance(told, Outcome):
            raise UserModelError(
                "`respond` must return an array of responses or an Outcome(responses, rewards, "
                f"has_left) from rlrec.envs.blocks, got a plain tuple of {len(told)}"
            )
        given = told.responses if isinstance(told, Outcome) else told
        channels = self._channels_of(_as_numbers(given, "responses", np.float32), shown.items.shape)
        if blank is not None:
            channels[blank] = 0.0
        if isinstance(told, Outcome):
            rewards = _as_numbers(told.rewards, "rewards", np.float64)
            return Outcome(channels, rewards, np.array(told.has_left))
        earned = channels[:, :, 0].sum(axis=-1, dtype=np.float64)
        return Outcome(channels, earned, np.zeros(len(earned), bool))

    def spaces(self) -> dict[str, Space]:
        """Return the observation keys that show parts of the state."""
        return dict(self._spaces)

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return those keys for some users."""
        return {
            key: np.array(_rows(state[name][users]), np.float32)
            for key, name in self._observed.items()
        }

    def _begun(self, n_users: int, draws: Floats) -> State:
        started = self._start(n_users, draws)
        if not isinstance(started, dict):
            raise UserModelError(
                f"`start` must return a dict of arrays, the users' state, got "
                f"{type(started).__name__}"
            )
        begun = {key: np.asarray(values) for key, values in started.items()}
        for key, values in begun.items():
            if values.shape[:1] != (n_users,):
                raise UserModelError(
                    f"`start` must return arrays with a row for each of {n_users} users, got "
                    f"{key!r} of shape {values.shape}"
                )
        return begun

    def _channels_of(self, responses: Floats32, slates: tuple[int, ...]) -> Floats32:
        """Return responses (B, K, R) of the caller's own, from (B, K) or (B, K, R)."""
        expected = (*slates, len(self.channels))
        is_flat = responses.shape == slates and len(self.channels) == 1
        if responses.shape != expected and not is_flat:
            raise UserModelError(
                f"`respond` must return responses of shape {expected} (users, slots, channels), "
                f"got {responses.shape}"
            )
        return np.array(responses.reshape(expected))

    def _observed_spaces(self) -> dict[str, Space]:
        begun = self._begun(1, np.full((1, self._n_own_draws), 0.5))
        spaces = {}
        for key, name in self._observed.items():
            if key not in ("user", "context"):
                raise UnknownNameError(
                    f"users may show their state as 'user' or 'context', not as {key!r}"
                )
            if name not in begun:
                raise UnknownNameError(f"the state has no {name!r}.{nearest_hint(name, begun)}")
            spaces[key] = Space(_rows(begun[name]).shape[1:], np.float32, -LARGE, LARGE)
        return spaces


def _as_numbers(values: Any, name: str, dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """Return an array of the caller's own."""
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused afterwards
            return np.array(values, dtype)
    except (TypeError, ValueError) as error:
        raise UserModelError(f"`respond` must return {name} as numbers: {error}") from error


def _check_functions(respond: object, start: object, *truths: object) -> None:
    for name, function in (("respond", respond), ("start", start)):
        if not callable(function):
            raise UserModelError(f"{name} must be a function, got {function!r}")
    for truth in truths:
        if truth is not None and not callable(truth):
            raise UserModelError(f"a truth must be a function of state and slates, got {truth!r}")


def _rows(values: NDArray[Any]) -> NDArray[Any]:
    """Return values (F, ...) as (F, n)."""
    return values.reshape(len(values), -1)


def _stated(truth: Truth) -> Callable[[State, Shown, Bools | None], Floats]:
    """Return a truth about slates in the form of a user model."""

    def stated(state: State, shown: Shown, blank: Bools | None) -> Floats:
        assert shown.items is not None
        return truth(state, shown.items)

    return stated


def _catalogue_of(items: int | Catalogue | FreshDocuments) -> Catalogue | None:
    if isinstance(items, Catalogue):
        return items
    if isinstance(items, FreshDocuments):
        return None
    check_whole_number("items", items, 1)
    return plain_catalogue(items)


def _whole(catalogue: Catalogue | None) -> CatalogueItems:
    assert catalogue is not None
    return CatalogueItems(catalogue, ItemQuality(np.zeros(catalogue.n_items)))


def _history(
    catalogue: Catalogue | None, slate_size: int, n_channels: int, length: int
) -> HistoryShape:
    if catalogue is not None:
        return HistoryShape(
            slate_size=slate_size, n_channels=n_channels, n_topics=catalogue.n_topics, length=length
        )
    return HistoryShape(
        keys=("last_slate", "last_response"),
        slate_size=slate_size,
        n_channels=n_channels,
        n_topics=0,
        length=length,
    )
