using System.Text;

namespace Game;

/// <summary>Draws the field, and takes keys: arrows or wasd to move, space to stand, q to leave.</summary>
internal sealed class Terminal(Client client, TimeProvider clock)
{
    private static readonly TimeSpan Frame = TimeSpan.FromMilliseconds(50);

    /// <summary>Until q, or until <paramref name="playing"/> is over.</summary>
    public async Task RunAsync(Task playing, CancellationToken cancellationToken)
    {
        Console.Write("\e[?1049h\e[?25l"); // Another screen, without a cursor.
        try
        {
            using var frame = new PeriodicTimer(Frame, clock);
            while (!playing.IsCompleted && TakeKeys() && await frame.WaitForNextTickAsync(cancellationToken))
            {
                Console.Write(client.Latest is { } seen ? Draw(seen) : "\e[HConnecting… (q leaves)\e[J");
            }
        }
        catch (OperationCanceledException)
        {
        }
        finally
        {
            Console.Write("\e[?25h\e[?1049l");
        }
    }

    internal static string Draw(Client.Seen seen)
    {
        var field = Enumerable.Range(0, World.Height).Select(static _ => Enumerable.Repeat('·', World.Width).ToArray()).ToArray();
        Array.ForEach([.. seen.World.Coins], coin => Put(coin, '$'));
        Array.ForEach([.. seen.World.Players], player => Put(player.Cell, player.Id == seen.Own.Id ? '@' : (char)('A' + (player.Id % 26))));
        var text = new StringBuilder("\e[H");
        Array.ForEach(field, row => text.Append(row).Append("\e[K\r\n"));
        var own = seen.World.Players.FirstOrDefault(player => player.Id == seen.Own.Id);
        text.Append(
            $"tick {seen.World.Tick}  players {seen.World.Players.Count}  score {own.Score}  lost: {seen.StatesLostInPercent} % of states, {seen.Own.InputsLostInPercent} % of inputs\e[K\r\n");
        return text.Append("arrows or wasd move, space stands, q leaves\e[K").ToString();

        void Put(Cell cell, char what)
        {
            if (cell is { X: < World.Width, Y: < World.Height })
            {
                field[cell.Y][cell.X] = what;
            }
        }
    }

    private bool TakeKeys()
    {
        while (Console.KeyAvailable)
        {
            switch (Console.ReadKey(intercept: true).Key)
            {
                case ConsoleKey.UpArrow or ConsoleKey.W:
                    client.Direction = Direction.Up;
                    break;
                case ConsoleKey.DownArrow or ConsoleKey.S:
                    client.Direction = Direction.Down;
                    break;
                case ConsoleKey.LeftArrow or ConsoleKey.A:
                    client.Direction = Direction.Left;
                    break;
                case ConsoleKey.RightArrow or ConsoleKey.D:
                    client.Direction = Direction.Right;
                    break;
                case ConsoleKey.Spacebar:
                    client.Direction = Direction.None;
                    break;
                case ConsoleKey.Q or ConsoleKey.Escape:
                    return false;
            }
        }

        return true;
    }
}
