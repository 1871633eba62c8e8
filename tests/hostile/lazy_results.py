"""Returns a list that computes its items when somebody looks at them."""


class Lazy(list):
    def __init__(self, function, items):
        super().__init__([None] * len(items))
        self.function, self.items = function, items

    def __iter__(self):
        return map(self.function, self.items)

    def __getitem__(self, index):
        return self.function(self.items[index])


def double(n):
    return 2 * n


def work(function, items):
    return Lazy(function, items)
