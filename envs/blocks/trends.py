"""What is popular now: a path of the world, which users follow more or less."""

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.calendar import Calendar
from rlrec.envs.blocks.priors import Prior, within
from rlrec.envs.blocks.state import Shown, State, put


class PopularityPath:
    """Log-popularity of the items alive at each moment of a calendar, and what is seen of it.

    An item arrives with x ~ Normal(0, sd^2), and with standard normals e

        x  <-  persistence * x + sd * sqrt(1 - persistence^2) * e     at each moment
        log-popularity  =  x - age_decay * age                        age in mean lifetimes
        recent  <-  (1 - memory) * recent + memory * log-popularity   from 0 at the arrival

    so `recent` knows the moments before this one only. Items that are there from the beginning
    have gathered theirs before. `sd` = 0 and `age_decay` = 0 switch it off.

    Args:
        calendar: Whose items.
        persistence: In 0..1.
        sd: 0 or more.
        age_decay: What an item loses over a mean lifetime, 0 or more.
        rng: Source of the path.
        memory: In 0..1.

    Raises:
        ConfigError: A value is outside its range.
    """

    def __init__(
        self,
        calendar: Calendar,
        persistence: float,
        sd: float,
        age_decay: float,
        rng: np.random.Generator,
        memory: float = 0.2,
    ) -> None:
        for name, value in (("persistence", persistence), ("memory", memory)):
            check_number(f"{name} of trends", value, 0.0, 1.0)
        for name, value in (("sd", sd), ("age_decay", age_decay)):
            check_number(f"{name} of trends", value, 0.0)
        self.persistence, self.sd, self.age_decay, self.memory = persistence, sd, age_decay, memory
        self.log_popularity, self.recent = self._path(calendar, rng)
        """Both of shape (L, M): by moment and place."""

    def _path(self, calendar: Calendar, rng: np.random.Generator) -> tuple[Floats, Floats]:
        arrivals = calendar.succession.arrivals
        shape = (calendar.n_moments, calendar.n_places)
        path, seen = np.empty(shape), np.empty(shape)
        innovation = self.sd * np.sqrt(1.0 - self.persistence**2)
        level = recent = np.zeros(shape[1])
        popularity = np.zeros(shape[1])
        for moment in range(min(int(arrivals.min()), 0), shape[0]):
            ages = moment - arrivals[calendar.alive[max(moment, 0)]]
            noise = rng.standard_normal(shape[1])
            level = self.persistence * level + innovation * noise
            level[ages <= 0] = self.sd * noise[ages <= 0]
            recent = recent + self.memory * (popularity - recent)
            recent[ages <= 0] = 0.0
            popularity = level - self.age_decay * np.maximum(ages, 0) / calendar.lifetime
            if moment >= 0:
                path[moment], seen[moment] = popularity, recent
        return path, seen


class Trends(Block):
    """Users follow what is popular: score <- score + conformity * log-popularity of the item now.

    The conformity belongs to the user; 0 switches it off. Put the calendar among the blocks too.

    Args:
        calendar: Tells which items are alive when.
        path: Their popularity.
        conformity: 0 or more.

    Raises:
        ConfigError: The conformity is outside its range.
    """

    n_initial_draws = 1

    def __init__(
        self, calendar: Calendar, path: PopularityPath, conformity: float | Prior = 1.0
    ) -> None:
        self.path = path
        self.conformity = within("conformity", conformity, 0.0)
        self._places = calendar.succession.places

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw how much new users follow others."""
        put(state, "conformity", users, self.conformity.of(draws[:, 0]))

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Add the popularity of what is shown, as much as each user goes by it."""
        places = self._places[None, :] if shown.items is None else self._places[shown.items]
        popularity = self.path.log_popularity[state["moment"][:, None], places]
        popularity *= state["conformity"][:, None]
        scores += popularity
        return scores
