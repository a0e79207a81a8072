"""What the servers hold: memory, descriptors, threads, children, temporary files."""

import os
import statistics
from pathlib import Path

# Below this a growth is a page here and there, whatever it is of the whole.
SLACK = 1 << 20


class Watched:
    """A process, and what it held over time."""

    def __init__(self, process, temporary):
        self.name, self.pid, self.temporary, self.memory = process.name, process.pid, temporary, []
        self.process = process

    def sample(self):
        self.memory.append(self.resident())

    def resident(self):
        """Memory that belongs to this process alone, in bytes."""
        total = 0
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:", "Swap:")):
                total += int(line.split()[1]) * 1024
        return total

    def held(self):
        """The numbers that have to come back to what they were."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return {
            "descriptors": len(os.listdir(f"/proc/{self.pid}/fd")),
            "threads": len(os.listdir(f"/proc/{self.pid}/task")),
            "children": len(children),
            "temporary files": sum(len(files) for _, _, files in os.walk(self.temporary)),
        }

    def growth(self):
        """How much memory the last quarter has over the second one, in bytes and as a share."""
        quarter = len(self.memory) // 4
        if not quarter:
            return 0, 0.0
        before = statistics.median(self.memory[quarter : 2 * quarter])
        after = statistics.median(self.memory[-quarter:])
        return int(after - before), (after - before) / before

    def is_flat(self):
        more, share = self.growth()
        return more <= SLACK or share <= 0.01
