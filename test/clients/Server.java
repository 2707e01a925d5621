import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.Provider;
import java.security.Security;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/** Server CONFIG PORT: greets everyone over TLS, with the one certificate and key of a PKCS#11 token, until it is ended. */
public class Server {
    public static void main(String[] args) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(args[0]);
        Security.addProvider(token);
        KeyStore store = KeyStore.getInstance("PKCS11", token);
        store.load(null, System.getenv("CLIENT_PIN").toCharArray());
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(store, null);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(keys.getKeyManagers(), null, null);
        InetAddress here = InetAddress.getByName("127.0.0.1");
        SSLServerSocket door = (SSLServerSocket) tls.getServerSocketFactory().createServerSocket(Integer.parseInt(args[1]), 50, here);
        while (true) {
            SSLSocket guest = (SSLSocket) door.accept();
            new Thread(() -> greet(guest)).start();
        }
    }

    private static void greet(SSLSocket guest) {
        try (guest; OutputStream out = guest.getOutputStream()) {
            out.write("hello\n".getBytes(StandardCharsets.US_ASCII));
        } catch (IOException error) {
            System.err.println(error);
        }
    }
}
